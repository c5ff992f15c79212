{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}
{% set _blocks = dense_blocks(owner) %}

{% block extra_headers %}
{{ super() }}
#include "random.h"
#include "runs.h"
#include "drives.h"
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
    {% set _memory = owner.memory if owner.memory is defined else none %}
    {% if _memory %}
    {% set _fading = dense_fading(owner, vector_code) %}
    {% set _state = dense_array(owner.variables[_memory.state]) %}
    {% set _drive = dense_array(owner.variables[_memory.drive]) %}
    {% set _bias = dense_array(owner.variables[_memory.bias]) %}
    brianprop::Drives &_drives = {{dense_drives(owner)}};
    static int64_t _tried = -1;
    if (_tried != _Blocks::runs) {
        // Do the neurons forget, with the constants of this run? The update is linear: a few numbers show it.
        _tried = _Blocks::runs;
        {{c_data_type(owner.variables[_memory.state].dtype)}} _ptr{{_state}}[] = {0, 16, 0, 0, 3}, _ptr{{_drive}}[] = {0, 0, 32, 0, 5}, _ptr{{_bias}}[] = {0, 0, 0, 64, -7}, _sums[5];
        for (int32_t _idx = 0; _idx < 5; _idx++)
            _sums[_idx] = _ptr{{_drive}}[_idx] + _ptr{{_bias}}[_idx];
        for (int32_t _idx = 0; _idx < 5; _idx++) {
            const size_t _vectorisation_idx = _idx;
            {{_all_parts[_fading]|autoindent}}
        }
        for (int32_t _idx = 0; _idx < 5; _idx++)
            _drives.refused |= _ptr{{_state}}[_idx] != _sums[_idx] || _ptr{{_drive}}[_idx] != 0;
    }
    static bool _lazy = false;
    if (_lazy && !_drives.lazy())
        _Blocks::wake({{_fading}}, 0, _N);
    _lazy = _drives.lazy();
    _drives.settle(_Blocks::runs, _N, [&](const int32_t _neuron) -> double {
        const bool _read = _neuron >= {{_memory.read.start}} && _neuron < {{_memory.read.stop}};
        return _read ? -1 : {{dense_array(owner.variables[_memory.threshold])}}[_neuron] - {{_bias}}[_neuron];
    });
    {% endif %}
    for (int32_t _word = 0; _word < _Blocks::words; _word++) {
        {% for lines in _all_parts %}
        {
            const uint64_t _awake = _Blocks::awake[{{loop.index0}}][_word];
            uint64_t _still = 0; {# what another update would change #}
            {% set _lazy = _memory and loop.index0 == _fading %}
            const uint64_t _exact = {{'_drives.exact(_word)' if _lazy else '~0ULL'}};
            {# Blocks with equal constants, which is the rule, and all others apart: there are no branches to foresee. #}
            {% for uniform in [true, false] if lines %}
            {% for exact in [true, false] if exact or _lazy %}
            {% set _tracks = exact and not dense_repeatable(lines) %}
            for (uint64_t _bits = _awake & {{'' if uniform else '~'}}_uniform.words[_word] & {{'' if exact else '~'}}_exact; _bits; _bits &= _bits - 1) {
                const int32_t _bit = __builtin_ctzll(_bits), _start = (brianprop::WORD * _word + _bit) * BLOCK;
                const int32_t _length = {{'BLOCK' if uniform else 'std::min<int32_t>(BLOCK, _N - _start)'}};
                {% if _tracks %}
                int32_t _changed = 0;
                {% endif %}
                #pragma GCC ivdep
                for (int32_t _idx = _start; _idx < _start + _length; _idx++) {
                    const size_t _vectorisation_idx = _idx;
                    {% set _code = dense_tracked(lines) if _tracks else lines %}
                    {{(dense_first(_code, _constants) if uniform else _code)|autoindent}}
                }
                {% if _tracks %}
                _still |= (uint64_t)(_changed != 0) << _bit;
                {% endif %}
            }
            {% endfor %}
            {% endfor %}
            _Blocks::awake[{{loop.index0}}][_word] = _still;
            _Blocks::dozing[{{loop.index0}}][_word] = _awake & ~_still;
        }
        {% endfor %}
    }
    {% else %}
    {% if _blocks %}
    {{_blocks}}::wake_all();
    {% if owner.memory is defined %}
    {{dense_drives(owner)}}.refused = true;
    {% endif %}
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
