{# USES_VARIABLES { _n_sources, _n_targets, delay, _source_dt } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{{ super() }}
#include "events.h"
namespace brianprop_pathways { struct {{owner.name}}; }
{% endblock %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    brianprop::events<brianprop_pathways::{{owner.name}}>().push(
        {{_eventspace}}, {{_eventspace}}[_num{{eventspace_variable.name}} - 1]);
{% endblock %}

{% block before_code %}
    void _prepare_{{codeobj_name}}();
    _prepare_{{codeobj_name}}();
{% endblock %}

{% block extra_functions_cpp %}
void _prepare_{{codeobj_name}}() {
    using namespace brian;
    brianprop::events<brianprop_pathways::{{owner.name}}>().prepare(
        {{get_array_name(owner.synapse_sources, access_data=False)}}, {{get_array_name(owner.synapse_targets, access_data=False)}},
        {{get_array_name(variables['delay'], access_data=False)}}, {{get_array_name(variables['_source_dt'], access_data=False)}}[0],
        {{owner.source.start}}, {{owner.source.stop}});
}
{% endblock %}

{% block extra_functions_h %}
void _prepare_{{codeobj_name}}();
{% endblock %}
