{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{% set _blocks = dense_blocks(owner) %}
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
    int32_t _count = 0;
    const auto _flag = [&](int32_t *__restrict _flags, const int32_t _start, const int32_t _n) {
        #pragma GCC ivdep
        for (int32_t _idx = _start; _idx < _start + _n; _idx++) {
            const int32_t _vectorisation_idx = _idx;
            {{dense_condition(vector_code)|autoindent}}
            _flags[_idx - _start] = _cond;
        }
    };
    {% if _blocks %}
    using brianprop::BLOCK;
    char *_states = {{_blocks}}::states();
    int32_t _above[BLOCK];
    for (int32_t _block = 0; _block < {{_blocks}}::count; _block++) {
        if (_states[_block] == brianprop::ASLEEP)
            continue;
        const int32_t _start = _block * BLOCK, _length = std::min<int32_t>(BLOCK, (int32_t)N - _start);
        if (_length == BLOCK)
            _flag(_above, _start, BLOCK);
        else
            _flag(_above, _start, _length);
        const int32_t _found = brianprop::compact(_above, _length, {{_eventspace}} + _count, _start);
        _count += _found;
        // nothing has changed and nothing fires: it stays so until something is written
        if (_found)
            _states[_block] = brianprop::AWAKE;
        else if (_states[_block] == brianprop::DOZING)
            _states[_block] = brianprop::ASLEEP;
    }
    {% else %}
    static std::vector<int32_t> _above(N);
    _flag(_above.data(), 0, N);
    _count = brianprop::compact(_above.data(), N, {{_eventspace}});
    {% endif %}
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
{% if _blocks %}
{# Between two runs of a network, others may write to the neurons. #}
void _wake_{{codeobj_name}}();
_wake_{{codeobj_name}}();
{% endif %}
{% endblock %}

{% block extra_functions_cpp %}
{% if _blocks %}
void _wake_{{codeobj_name}}() { {{_blocks}}::wake_all(); }
{% endif %}
{% endblock %}
