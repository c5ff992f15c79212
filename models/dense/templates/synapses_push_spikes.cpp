{# The runs of a dense pathway read the spikes themselves. #}
{% extends 'common_group.cpp' %}

{% block maincode %}
{% endblock %}
