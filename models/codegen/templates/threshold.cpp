{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
{{ super() }}
#include <vector>
#include "runs.h"
{% endblock %}
{% block maincode %}
    {# First flags, in a loop without branches that vectorises; then the indices of the few that are set. #}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    static std::vector<char> _above(N + 8);
    char *_flags = _above.data();
    #pragma GCC ivdep
    for (int32_t _idx = 0; _idx < (int32_t)N; _idx++) {
        const int32_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _flags[_idx] = _cond;
    }
    const int32_t _count = brianprop::compact(_flags, N, {{_eventspace}});
    {% if _uses_refractory %}
    for (int32_t _n = 0; _n < _count; _n++) {
        const int32_t _idx = {{_eventspace}}[_n];
        {{not_refractory}}[_idx] = false;
        {{lastspike}}[_idx] = {{t}};
    }
    {% endif %}
    {{_eventspace}}[N] = _count;
{% endblock %}

{% block after_code %}
{% set _eventspace = get_array_name(eventspace_variable) %}
{{_eventspace}}[N] = 0;
{% endblock %}
