{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{% set _blocks = dense_blocks(owner) %}
{% set _part = dense_fading(owner) if eventspace_variable.name == '_spikespace' else none %}
{% block extra_headers %}
{{ super() }}
#include <vector>
#include "random.h"
#include "runs.h"
#include "drives.h"
{% endblock %}
{% block maincode %}
    {# First flags, in a loop without branches that vectorises; then the indices of the few that are set. #}
    const int _vectorisation_idx = -1;
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {% set _lines, _necessary = dense_condition(vector_code) %}
    {% set _hint = dense_rest_where(owner, eventspace_variable.name) %}
    {% if dense_draws(vector_code) %}
    static brianprop::Random<{{dense_scalar()}}> _random;
    _random.next(brian::_random_generators[0]);
    {% for _ in dense_draws(vector_code) %}
    auto *const _random_{{loop.index0}} = _random.numbers(N, {{loop.index0}});
    {% endfor %}
    {% endif %}
    {{scalar_code|autoindent}}
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
    _uniform.update(N, [&](const int32_t _first) {
        return true{% for array in _constants %} && brianprop::same({{array}} + _first, BLOCK){% endfor %};
    });
    {% endif %}
    for (int32_t _word = 0; _word < _Blocks::words; _word++) {
        // what has not changed since the last time, when it did not fire, does not fire now
        uint64_t _candidates = 0;
        {% for part in dense_watches(owner, eventspace_variable.name) %}
        _candidates |= _Blocks::awake[{{part}}][_word] | _Blocks::dozing[{{part}}][_word];
        {% endfor %}
        {% if _part is not none %}
        // without an update, a neuron is below its threshold
        const uint64_t _exact = {{dense_drives(owner)}}.exact(_word);
        _candidates &= _exact | _Blocks::awake[{{_part}}][_word] | _Blocks::dozing[{{_part}}][_word];
        {% endif %}
        {% if _necessary %}
        {# Most blocks need no more than this: it reads less and writes nothing. Where a packet has arrived, most fire. #}
        const uint64_t _watched = _candidates{{' & _exact' if _part is not none}};
        _candidates &= ~_watched;
        {% for uniform in [true, false] %}
        for (uint64_t _bits = _watched & {{'' if uniform else '~'}}_uniform.words[_word]; _bits; _bits &= _bits - 1) {
            const int32_t _bit = __builtin_ctzll(_bits), _start = (brianprop::WORD * _word + _bit) * BLOCK;
            const int32_t _length = {{'BLOCK' if uniform else 'std::min<int32_t>(BLOCK, (int32_t)N - _start)'}};
            int32_t _any = 0;
            for (int32_t _idx = _start; _idx < _start + _length; _idx++) {
                const int32_t _vectorisation_idx = _idx;
                {{(dense_first(_necessary, _constants) if uniform else _necessary)|autoindent}}
                _any |= _may;
            }
            _candidates |= (uint64_t)(_any != 0) << _bit;
        }
        {% endfor %}
        {% endif %}
        uint64_t _fired = 0;
        for (uint64_t _bits = _candidates; _bits; _bits &= _bits - 1) {
            const int32_t _bit = __builtin_ctzll(_bits), _start = (brianprop::WORD * _word + _bit) * BLOCK;
            const int32_t _length = std::min<int32_t>(BLOCK, (int32_t)N - _start);
            if (_length == BLOCK)
                _flag(_above, _start, BLOCK);
            else
                _flag(_above, _start, _length);
            const int32_t _found = brianprop::compact(_above, _length, {{_eventspace}} + _count, _start);
            _count += _found;
            _fired |= (uint64_t)(_found != 0) << _bit;
        }
        // they may be reset; if they are not, they fire again
        {% for _ in owner.rests %}
        _Blocks::awake[{{loop.index0}}][_word] |= _fired{{' & _exact' if loop.index0 == _part}};
        {% endfor %}
    }
    {% else %}
    {# flags of one block: nothing else can point at them, so what the condition reads stays in registers #}
    using brianprop::BLOCK;
    int32_t _above[BLOCK];
    const auto _block = [&](const int32_t _start, const int32_t _n) {
        {% if _hint %}
        int32_t _any = 0;
        for (int32_t _i = _start; _i < _start + _n; _i++)
            _any |= {{_hint}}[_i] != 0;
        if (!_any)
            return;
        {% endif %}
        {% for name in dense_draws(vector_code) %}
        _random.{{name}}s(_random_{{loop.index0}}, _start, _n, {{loop.index0}});
        {% endfor %}
        _flag(_above, _start, _n);
        _count += brianprop::compact(_above, _n, {{_eventspace}} + _count, _start);
    };
    int32_t _start = 0;
    for (; _start + BLOCK <= N; _start += BLOCK)
        _block(_start, BLOCK);
    _block(_start, N - _start);
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

{% block extra_functions_h %}
{% if _blocks %}
void _wake_{{codeobj_name}}();
{% endif %}
{% endblock %}
