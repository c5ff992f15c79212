{# USES_VARIABLES { N, _synaptic_pre, _synaptic_post } #}
{% extends 'common_synapses.cpp' %}
{% set _plan = dense_deliveries(pathway, vector_code, variables) %}
{% set _memo = _plan.memo %}

{% block extra_headers %}
{{ super() }}
#include "events.h"
#include "runs.h"
namespace brianprop_pathways { struct {{_plan.tag}}; }
{% endblock %}

{% macro _body() %}
                const size_t _vectorisation_idx = _idx;
                {{_plan.code|autoindent}}
{% endmacro %}

{% macro _wake(first, length, neuron) %}
{% for part in _plan.wakes %}
            {{_plan.blocks}}::wake({{part}}, {{first}}, {{length}});
{% endfor %}
{% for part in _plan.wakes_spiking %}
            {{_plan.blocks_spiking}}::wake({{part}}, {{neuron}}, 1);
{% endfor %}
{% endmacro %}

{# One synapse that does not lie in a loop over neighbours. #}
{% macro _single(synapse, neuron, other) %}
{% if _memo %}
                _synapses[_n_gathered] = {{synapse}};
                _neurons[_n_gathered] = {{neuron}};
                _others[_n_gathered] = {{other}};
                if (++_n_gathered == BLOCK)
                    _run_gathered();
{% else %}
                const size_t _idx = {{synapse}};
                const int32_t {{_plan.spiking_index}} = {{neuron}}, {{_plan.other_index}} = {{other}};
                {{_wake(_plan.other_index, 1, _plan.spiking_index)}}
                {{_body()}}
{% endif %}
{% endmacro %}

{% block maincode %}
    const brianprop::Events &_events = brianprop::events<brianprop_pathways::{{_plan.tag}}>();
    const brianprop::Events::Slot &_due = _events.due();
    {% if not _plan.stateful %}
    if (_due.synapses.empty() && _due.stretches.empty())
        return;
    {% endif %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% if _memo %}
    {{_memo.type}} _key = NAN;
    {% for value in _memo.values %}
    auto _memo_{{loop.index0}} = {{value|replace(_memo.key, '_key')}};
    {% endfor %}
    const auto _look = [&](const {{_memo.type}} {{_memo.key}}) {
        _key = {{_memo.key}};
        {% for value in _memo.values %}
        _memo_{{loop.index0}} = {{value}};
        {% endfor %}
    };
    {% endif %}
    {% if _memo %}
    // Synapses that do not lie side by side are gathered and run in blocks: what they need is fetched for the whole block first.
    using brianprop::BLOCK;
    int32_t _synapses[BLOCK], _others[BLOCK], _neurons[BLOCK], _n_gathered = 0;
    const auto _run_gathered = [&]() BRIANPROP_APART {
        {{_memo.type}} _keys[BLOCK];
        for (int32_t _k = 0; _k < _n_gathered; _k++) {
            _keys[_k] = {{_memo.array}}[_synapses[_k]];
            {% for array in _plan.synaptic if array != _memo.array %}
            __builtin_prefetch({{array}} + _synapses[_k]);
            {% endfor %}
        }
        for (int32_t _k = 0; _k < _n_gathered; _k++) {
            const size_t _idx = _synapses[_k];
            const int32_t {{_plan.spiking_index}} = _neurons[_k], {{_plan.other_index}} = _others[_k];
            {{_wake(_plan.other_index, 1, _plan.spiking_index)}}
            if (_keys[_k] != _key)
                _look(_keys[_k]);
            {{_body()}}
        }
        _n_gathered = 0;
    };
    {% endif %}
    for (const int32_t _synapse : _due.synapses) {
        {{_single('_synapse', _plan.spiking ~ '[_synapse]', _plan.other ~ '[_synapse]')}}
        {% if _memo %}
        _run_gathered(); // the same synapse may come again
        {% endif %}
    }
    {% if _plan.only_where and _plan.independent %}
    // The code changes nothing where this is 0: find where it is not.
    {% if _plan.bounds %}
    // That holds as long as these are within their bounds, which nothing in this run changes.
    static int64_t _looked_at = -1;
    static bool _within;
    if (_looked_at != _events.prepared()) {
        _looked_at = _events.prepared();
        _within = true;
        {% for array, low, high in _plan.bounds %}
        for (size_t _i = 0; _i < {{_plan.other}}.size(); _i++)
            _within &= {{array}}[_i] >= {{low}} && {{array}}[_i] <= {{high}};
        {% endfor %}
    }
    {% else %}
    const bool _within = true;
    {% endif %}
    static std::vector<int32_t> _moves({{_plan.where_stop - _plan.where_start}});
    static std::vector<int32_t> _where({{_plan.where_stop - _plan.where_start}});
    for (int32_t _i = 0; _i < {{_plan.where_stop - _plan.where_start}}; _i++)
        _moves[_i] = {{_plan.only_where}}[{{_plan.where_start}} + _i] != 0;
    const int32_t _n_where =
        brianprop::compact(_moves.data(), {{_plan.where_stop - _plan.where_start}}, _where.data(), {{_plan.where_start}});
    {% endif %}
    const brianprop::Stretch *const _stretches = _events.stretches();
    const int32_t *const _order = _events.order();
    const int32_t _n_stretches = _due.stretches.size();
    for (int32_t _s = 0; _s < _n_stretches; _s++) {
        const brianprop::Stretch &_stretch = _stretches[_due.stretches[_s]];
        {% if _plan.only_where and _plan.independent %}
        if (_within && _stretch.stride && (_stretch.stride == 1 ? 32 * _n_where : _n_where) < _stretch.length) {
            for (int32_t _n = 0; _n < _n_where; _n++) {
                const int32_t _k = _where[_n] - _stretch.other;
                if (_k < 0 || _k >= _stretch.length)
                    continue;
                {{_single('_stretch.synapse + _k * _stretch.stride', '_stretch.neuron', '_where[_n]')}}
            }
            continue;
        }
        {% endif %}
        if (!_stretch.stride && !_order) {
            for (int32_t _synapse = _stretch.begin; _synapse < _stretch.begin + _stretch.length; _synapse++) {
                {{_single('_synapse', '_stretch.neuron', _plan.other ~ '[_synapse]')}}
            }
            continue;
        }
        if (!_stretch.stride) {
            for (int32_t _place = _stretch.begin; _place < _stretch.begin + _stretch.length; _place++) {
                const int32_t _synapse = _order[_place];
                {{_single('_synapse', '_stretch.neuron', _plan.other ~ '[_synapse]')}}
            }
            continue;
        }
        if (_stretch.stride != 1{{' || true' if not _plan.independent}}) {
            for (int32_t _k = 0; _k < _stretch.length; _k++) {
                {{_single('_stretch.synapse + _k * _stretch.stride', '_stretch.neuron', '_stretch.other + _k')}}
            }
            continue;
        }
        {% if _plan.independent %}
        {% if _memo %}
        _run_gathered();
        {% endif %}
        const int32_t {{_plan.spiking_index}} = _stretch.neuron;
        {% if _memo %}
        {{_wake('_stretch.other', '_stretch.length', _plan.spiking_index)}}
        for (int32_t _from = 0; _from < _stretch.length; _from += BLOCK) {
            const int32_t _n = std::min<int32_t>(BLOCK, _stretch.length - _from), _other = _stretch.other + _from;
            const size_t _synapse = _stretch.synapse + _from;
            const {{_memo.type}} _first = {{_memo.array}}[_synapse];
            int64_t _differ = 0;
            for (int32_t _k = 0; _k < _n; _k++)
                _differ |= {{_memo.array}}[_synapse + _k] != _first;
            if (_differ) {
                for (int32_t _k = 0; _k < _n; _k++) {
                    const size_t _idx = _synapse + _k;
                    const int32_t {{_plan.other_index}} = _other + _k;
                    if ({{_memo.array}}[_idx] != _key)
                        _look({{_memo.array}}[_idx]);
                    {{_body()}}
                }
                continue;
            }
            if (_first != _key)
                _look(_first);
            {# as arguments, so that the compiler sees that nothing in the loop changes them #}
            [&]({% for value in _memo.values %}{{', ' if loop.index0}}const decltype(_memo_{{loop.index0}}) _memo_{{loop.index0}}{% endfor %}) {
                #pragma GCC ivdep
                for (int32_t _k = 0; _k < _n; _k++) {
                    const size_t _idx = _synapse + _k;
                    const int32_t {{_plan.other_index}} = _other + _k;
                    {{_body()}}
                }
            }({% for value in _memo.values %}{{', ' if loop.index0}}_memo_{{loop.index0}}{% endfor %});
        }
        {% else %}
        {% if not _plan.only_where %}
        // Four rows to the same neurons: what these neurons hold is read and written once.
        if (_s + 3 < _n_stretches) {
            const brianprop::Stretch *_rows[4];
            bool _alike = true;
            for (int32_t _r = 0; _r < 4; _r++) {
                _rows[_r] = &_stretches[_due.stretches[_s + _r]];
                _alike &= _rows[_r]->stride == 1 && _rows[_r]->other == _stretch.other && _rows[_r]->length == _stretch.length;
            }
            if (_alike) {
                const int32_t _other = _stretch.other, _length = _stretch.length;
                {% for row in range(4) %}
                const size_t _synapse_{{row}} = _rows[{{row}}]->synapse;
                const int32_t _neuron_{{row}} = _rows[{{row}}]->neuron;
                {{_wake('_other', '_length', '_neuron_%d' % row)}}
                {% endfor %}
                #pragma GCC ivdep
                for (int32_t _k = 0; _k < _length; _k++) {
                    const int32_t {{_plan.other_index}} = _other + _k;
                    {% for row in range(4) %}
                    {
                        const size_t _idx = _synapse_{{row}} + _k;
                        const int32_t {{_plan.spiking_index}} = _neuron_{{row}};
                        {{_body()}}
                    }
                    {% endfor %}
                }
                _s += 3;
                continue;
            }
        }
        {% endif %}
        {{_wake('_stretch.other', '_stretch.length', _plan.spiking_index)}}
        const int32_t _other = _stretch.other, _length = _stretch.length;
        const size_t _synapse = _stretch.synapse;
        #pragma GCC ivdep
        for (int32_t _k = 0; _k < _length; _k++) {
            const size_t _idx = _synapse + _k;
            const int32_t {{_plan.other_index}} = _other + _k;
            {{_body()}}
        }
        {% endif %}
        {% endif %}
    }
    {% if _memo %}
    _run_gathered();
    {% endif %}
{% endblock %}

{% block extra_functions_cpp %}
void _debugmsg_{{codeobj_name}}() {}
{% endblock %}

{% block extra_functions_h %}
void _debugmsg_{{codeobj_name}}();
{% endblock %}

{% macro main_finalise() -%}
{% endmacro %}
