{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}
{% set _blocks = dense_blocks(owner) %}

{% block extra_headers %}
{{ super() }}
#include "random.h"
#include "runs.h"
{% endblock %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {% if dense_draws(vector_code) %}
    static brianprop::Random<{{dense_scalar()}}> _random;
    _random.next(brian::_random_generators[0]);
    {% for name in dense_draws(vector_code) %}
    auto *const _random_{{loop.index0}} = _random.numbers({{constant_or_scalar('N', variables['N'])}}, {{loop.index0}});
    _random.{{name}}s(_random_{{loop.index0}}, 0, {{constant_or_scalar('N', variables['N'])}}, {{loop.index0}});
    {% endfor %}
    {% endif %}
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
    _uniform.update(_N, [&](const int32_t _first) {
        return true{% for array in _constants %} && brianprop::same({{array}} + _first, BLOCK){% endfor %};
    });
    for (int32_t _word = 0; _word < _Blocks::words; _word++) {
        {% for lines in _all_parts %}
        {
            const uint64_t _awake = _Blocks::awake[{{loop.index0}}][_word];
            uint64_t _still = 0;
            {# blocks with equal constants, which is the rule, and all others apart: there are no branches to foresee #}
            {% for uniform in [true, false] if lines %}
            for (uint64_t _bits = _awake & {{'' if uniform else '~'}}_uniform.words[_word]; _bits; _bits &= _bits - 1) {
                const int32_t _bit = __builtin_ctzll(_bits), _start = (brianprop::WORD * _word + _bit) * BLOCK;
                const int32_t _length = {{'BLOCK' if uniform else 'std::min<int32_t>(BLOCK, _N - _start)'}};
                int32_t _changed = 0;
                #pragma GCC ivdep
                for (int32_t _idx = _start; _idx < _start + _length; _idx++) {
                    const size_t _vectorisation_idx = _idx;
                    {{(dense_first(lines, _constants) if uniform else lines)|autoindent}}
                }
                _still |= (uint64_t)(_changed != 0) << _bit;
            }
            {% endfor %}
            _Blocks::awake[{{loop.index0}}][_word] = _still;
            _Blocks::dozing[{{loop.index0}}][_word] = _awake & ~_still;
        }
        {% endfor %}
    }
    {% else %}
    {% if _blocks %}
    {{_blocks}}::wake_all();
    {% endif %}
    {% if dense_independent(vector_code) %}
    #pragma GCC ivdep
    {% endif %}
    for(int _idx=0; _idx<_N; _idx++)
    {
        // vector code
        const size_t _vectorisation_idx = _idx;
        {{dense_buffered(vector_code)|autoindent}}
    }
    {% endif %}
{% endblock %}
