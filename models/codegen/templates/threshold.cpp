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
    {% set _lines, _necessary = dense_condition(vector_code) %}
    int32_t _count = 0;
    const auto _flag = [&](int32_t *__restrict _flags, const int32_t _start, const int32_t _n) {
        #pragma GCC ivdep
        for (int32_t _idx = _start; _idx < _start + _n; _idx++) {
            const int32_t _vectorisation_idx = _idx;
            {{_lines|autoindent}}
            _flags[_idx - _start] = _cond;
        }
    };
    {% if _blocks %}
    using brianprop::BLOCK;
    typedef {{_blocks}} _Blocks;
    int32_t _above[BLOCK];
    {% if _necessary %}
    {% set _constants = dense_constants(owner, _necessary) %}
    static brianprop::Uniform<_Blocks> _uniform;
    _uniform.update(N, [&](const int32_t _first, const int32_t _n) {
        return true{% for array in _constants %} && brianprop::same({{array}} + _first, _n){% endfor %};
    });
    {% endif %}
    for (int32_t _block = 0; _block < _Blocks::count; _block++) {
        // what has not changed since the last time, when it did not fire, does not fire now
        if (!(0{% for part in dense_watches(owner, eventspace_variable.name) %} | _Blocks::states[{{part}}][_block]{% endfor %}))
            continue;
        const int32_t _start = _block * BLOCK, _length = std::min<int32_t>(BLOCK, (int32_t)N - _start);
        {% if _necessary %}
        {# most blocks need no more than this: it reads less and writes nothing #}
        int32_t _any = 0;
        {% for case in ['_length == BLOCK && _uniform[_block]', ''] %}
        {{'if (%s)' % case if case else 'else'}}
            for (int32_t _idx = _start; _idx < _start + {{'BLOCK' if case else '_length'}}; _idx++) {
                const int32_t _vectorisation_idx = _idx;
                {{(dense_first(_necessary, _constants) if case else _necessary)|autoindent}}
                _any |= _may;
            }
        {% endfor %}
        if (!_any)
            continue;
        {% endif %}
        if (_length == BLOCK)
            _flag(_above, _start, BLOCK);
        else
            _flag(_above, _start, _length);
        const int32_t _found = brianprop::compact(_above, _length, {{_eventspace}} + _count, _start);
        _count += _found;
        // it may be reset; if it is not, it fires again
        if (_found)
            _Blocks::wake_block(_block);
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
void _wake_{{codeobj_name}}() {
    {{_blocks}}::wake_all();
    {{_blocks}}::runs++;
}
{% endif %}
{% endblock %}
