{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}
{% set _blocks = dense_blocks(owner) %}

{% block extra_headers %}
{{ super() }}
#include "runs.h"
{% endblock %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% if _blocks and '_stateupdater_codeobject' in codeobj_name %}
    using brianprop::BLOCK;
    typedef {{_blocks}} _Blocks;
    static bool _started = false;
    if (!_started)
        _Blocks::wake_all();
    _started = true;
    {% set _all_parts = dense_parts(owner, vector_code) %}
    {% set _constants = dense_constants(owner, vector_code) %}
    static brianprop::Uniform<_Blocks> _uniform;
    _uniform.update(_N, [&](const int32_t _first, const int32_t _n) {
        return true{% for array in _constants %} && brianprop::same({{array}} + _first, _n){% endfor %};
    });
    for (int32_t _block = 0; _block < _Blocks::count; _block++) {
        const int32_t _start = _block * BLOCK, _length = std::min<int32_t>(BLOCK, _N - _start);
        {% for lines in _all_parts %}
        if (_Blocks::states[{{loop.index0}}][_block] == brianprop::AWAKE) {
            int32_t _changed = 0;
            {# once for a whole block with equal constants, which is the rule, and once for any other #}
            {% for case in ['_length == BLOCK && _uniform[_block]', ''] if lines %}
            {{'if (%s)' % case if case else 'else'}}
                #pragma GCC ivdep
                for (int32_t _idx = _start; _idx < _start + {{'BLOCK' if case else '_length'}}; _idx++) {
                    const size_t _vectorisation_idx = _idx;
                    {{(dense_first(lines, _constants) if case else lines)|autoindent}}
                }
            {% endfor %}
            _Blocks::states[{{loop.index0}}][_block] = _changed ? brianprop::AWAKE : brianprop::DOZING;
        } else {
            _Blocks::states[{{loop.index0}}][_block] = brianprop::ASLEEP;
        }
        {% endfor %}
    }
    {% else %}
    {% if _blocks %}
    {{_blocks}}::wake_all();
    {% endif %}
    for(int _idx=0; _idx<_N; _idx++)
    {
        // vector code
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
    {% endif %}
{% endblock %}
