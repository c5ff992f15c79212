{# USES_VARIABLES { N, _synaptic_pre, _synaptic_post } #}
{% extends 'common_synapses.cpp' %}
{% set _plan = dense_plan(pathway, vector_code) %}

{% block extra_headers %}
{{ super() }}
#include "random.h"
#include "runs.h"
{% endblock %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {% if _plan.random %}
    static brianprop::Random<{{dense_scalar()}}> _random;
    const auto _numbers = _random.next(brian::_random_generators[0]); {# a copy, which nothing that is written can change #}
    {% endif %}
    static brianprop::Runs _runs;
    if (!_runs.ready)
        _runs.build({{_plan.spiking}}, {{_plan.other}}, {{_plan.delays}}, {{_plan.dt}}, {{pathway.source.start}}, {{pathway.source.stop}});
    const int32_t *_spikes = {{_plan.events}};
    const int32_t _n_spikes = {{_plan.events}}[{{_plan.n_events}}];
    if (!_runs.any(_spikes, _n_spikes))
        return;
    {{scalar_code|autoindent}}
    {% if _plan.only_where %}
    // The code changes nothing where {{_plan.only_where}} is 0: find where it is not.
    static std::vector<int32_t> _moves({{_plan.where_stop - _plan.where_start}});
    static std::vector<int32_t> _where({{_plan.where_stop - _plan.where_start}});
    const auto *_hint = {{_plan.where_array}};
    {
        int32_t *__restrict _flags = _moves.data();
        for (int32_t _i = 0; _i < {{_plan.where_stop - _plan.where_start}}; _i++)
            _flags[_i] = _hint[{{_plan.where_start}} + _i] != 0;
    }
    const int32_t _n_where =
        brianprop::compact(_moves.data(), {{_plan.where_stop - _plan.where_start}}, _where.data(), {{_plan.where_start}});
    if (_n_where == 0 && !_runs.delayed())
        return;
    {% endif %}
    const auto _row = [&](const brianprop::Run &_run) {
        const int32_t {{_plan.spiking_index}} = _run.neuron;
        {% if _plan.only_where %}
        if ((_run.stride == 1 ? 32 * _n_where : _n_where) < _run.length) { // a row that does not lie side by side never vectorises
            for (int32_t _n = 0; _n < _n_where; _n++) {
                const int32_t _k = _where[_n] - _run.other;
                if (_k < 0 || _k >= _run.length)
                    continue;
                const size_t _idx = _run.synapse + _k * _run.stride;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
            return;
        }
        {% endif %}
        {% if _plan.wakes %}
        {{_plan.wakes}}::wake(_run.other, _run.length);
        {% endif %}
        {% if _plan.wakes_spiking %}
        {{_plan.wakes_spiking}}::wake(_run.neuron, 1);
        {% endif %}
        if (_run.stride == 1) {
            {% if _plan.independent %}
            #pragma GCC ivdep
            {% endif %}
            for (int32_t _k = 0; _k < _run.length; _k++) {
                const size_t _idx = _run.synapse + _k;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
        } else {
            for (int32_t _k = 0; _k < _run.length; _k++) {
                const size_t _idx = _run.synapse + _k * _run.stride;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
        }
    };
    // Four rows to the same neurons: what these neurons hold is read and written once.
    const auto _four = [&](const brianprop::Run &_a, const brianprop::Run &_b, const brianprop::Run &_c, const brianprop::Run &_d) {
        {% if _plan.independent and not _plan.only_where %}
        {% if _plan.wakes %}
        {{_plan.wakes}}::wake(_a.other, _a.length);
        {% endif %}
        const int32_t _other = _a.other, _length = _a.length;
        const size_t _synapses[4] = {(size_t)_a.synapse, (size_t)_b.synapse, (size_t)_c.synapse, (size_t)_d.synapse};
        const int32_t _neurons[4] = {_a.neuron, _b.neuron, _c.neuron, _d.neuron};
        #pragma GCC ivdep
        for (int32_t _k = 0; _k < _length; _k++) {
            const int32_t {{_plan.other_index}} = _other + _k;
            {% for row in range(4) %}
            {
                const size_t _idx = _synapses[{{row}}] + _k;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.spiking_index}} = _neurons[{{row}}];
                {{_plan.vector_code|autoindent}}
            }
            {% endfor %}
        }
        {% else %}
        _row(_a);
        _row(_b);
        _row(_c);
        _row(_d);
        {% endif %}
    };
    const auto _some = [&](const brianprop::Run &_run, const int32_t *_places, const int32_t _count) {
        {% if _plan.wakes %}
        {{_plan.wakes}}::wake(_run.other, _run.length);
        {% endif %}
        {% if _plan.wakes_spiking %}
        {{_plan.wakes_spiking}}::wake(_run.neuron, _run.length);
        {% endif %}
        const int32_t _neuron = _run.neuron, _other = _run.other;
        const size_t _synapse = _run.synapse;
        for (int32_t _n = 0; _n < _count; _n++) {
            const size_t _idx = _synapse + _places[_n];
            const size_t _vectorisation_idx = _idx;
            const int32_t {{_plan.spiking_index}} = _neuron + _places[_n];
            const int32_t {{_plan.other_index}} = _other + _places[_n];
            {{_plan.vector_code|autoindent}}
        }
    };
    const auto _many = [&](const brianprop::Run &_run, const int32_t *__restrict _flags) {
        {% if _plan.wakes %}
        {{_plan.wakes}}::wake(_run.other, _run.length);
        {% endif %}
        {% if _plan.wakes_spiking %}
        {{_plan.wakes_spiking}}::wake(_run.neuron, _run.length);
        {% endif %}
        const int32_t _neuron = _run.neuron, _other = _run.other, _length = _run.length;
        const size_t _synapse = _run.synapse;
        {# All are computed and only those whose neuron spikes are kept: there is no branch, so the loop vectorises. #}
        #pragma GCC ivdep
        for (int32_t _k = 0; _k < _length; _k++) {
            const size_t _idx = _synapse + _k;
            const size_t _vectorisation_idx = _idx;
            const int32_t {{_plan.spiking_index}} = _neuron + _k;
            const int32_t {{_plan.other_index}} = _other + _k;
            {{_plan.selecting_code|autoindent}}
        }
    };
    _runs.due(_spikes, _n_spikes, _row, _four, _some, _many);
{% endblock %}

{% block extra_functions_cpp %}
void _debugmsg_{{codeobj_name}}() {}
{% endblock %}

{% block extra_functions_h %}
void _debugmsg_{{codeobj_name}}();
{% endblock %}

{% macro main_finalise() -%}
{% endmacro %}
