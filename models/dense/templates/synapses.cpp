{# USES_VARIABLES { N, _synaptic_pre, _synaptic_post } #}
{% extends 'common_synapses.cpp' %}
{% set _plan = dense_plan(pathway, vector_code) %}
{% set _copies = 'brianprop::history<%du>()' % _plan.copies.id if _plan.copies else '' %}

{% block extra_headers %}
{{ super() }}
#include "random.h"
#include "runs.h"
#include "drives.h"
namespace {
brianprop::Runs &_runs = brianprop::runs<{{_plan.id}}u>();
{% if _plan.copies %}
void _catch_up() {
    brianprop::catch_up(brianprop::runs<{{_plan.copies.runs}}u>(), brian::{{_plan.copies.weights}}.data(), {{_plan.copies.parts}}, {{_copies}});
}
{% endif %}
}
{% endblock %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {% if _plan.random %}
    static brianprop::Random<{{dense_scalar()}}> _random;
    const auto _numbers = _random.next(brian::_random_generators[0]); {# a copy, which nothing that is written can change #}
    {% endif %}
    {% for drives in _plan.refuses %}
    {{drives}}.refused = true; // what this adds has no bound, or it reads what may be out of date
    {% endfor %}
    {% if _plan.waits %}
    brianprop::Drives &_drives = {{_plan.waits}};
    const bool _now = _drives.task == brianprop::Drives::COLLECT; {# the step of the spikes, not the next update #}
    {% else %}
    const bool _now = true;
    {% endif %}
    if (!_runs.ready) {
        _runs.build({{_plan.spiking}}, {{_plan.other}}, brianprop::in_steps({{_plan.delays}}, {{_plan.dt}}), {{pathway.source.start}}, {{pathway.source.stop}});
        {% if _plan.waits %}
        _runs.compare([&](const brianprop::Run &_run) { _drives.join(_run.other, _run.length); });
        _runs.compared = false;
        {% endif %}
    }
    const int32_t *_spikes = {{_plan.events}};
    const int32_t _n_spikes = {{_plan.events}}[{{_plan.n_events}}];
    if (_now && !_runs.any(_spikes, _n_spikes))
        return;
    {% if _plan.constants %}
    if (!_runs.compared)
        _runs.compare([&](brianprop::Run &_run) {
            _run.uniform = true;
            for (int32_t _k = 1; _k < _run.length; _k++)
                if ({% for array in _plan.constants %}{{' || ' if not loop.first}}std::memcmp({{array}} + _run.synapse, {{array}} + _run.synapse + _k * _run.stride, sizeof(*{{array}})){% endfor %})
                    _run.uniform = false;
            {% if _plan.waits %}
            _run.most = {{_plan.constants[0]}}[_run.synapse];
            for (int32_t _k = 1; _k < _run.length; _k++)
                _run.most = std::max<double>(_run.most, {{_plan.constants[0]}}[_run.synapse + _k * _run.stride]);
            {% endif %}
        });
    {% endif %}
    {{scalar_code|autoindent}}
    {% set _size = _plan.where_stop - _plan.where_start %}
    {% if _plan.copies and not _plan.sum %}
    // What writes the same to equal parts keeps them equal: then only the first is written, until they part.
    const bool _alike = {{'_runs.matrix()' if _plan.copies.alike is not none else 'false'}}
        {% for array in _plan.copies.alike or [] %}
        && brianprop::repeats({{array}} + {{_plan.where_start}}, {{_size // _plan.copies.parts}}, {{_plan.copies.parts}})
        {% endfor %};
    const int32_t _parts = _alike && {{_copies}}.equal ? {{_plan.copies.parts}} : 1;
    {% else %}
    const int32_t _parts = 1;
    {% endif %}
    {% if _plan.only_where %}
    // The code changes nothing where {{_plan.only_where}} is 0: find where it is not.
    static std::vector<int32_t> _moves({{_size}});
    static std::vector<int32_t> _where({{_size}});
    const auto *_hint = {{_plan.where_array}};
    const int32_t _n_asked = {{_size}} / _parts;
    {
        int32_t *__restrict _flags = _moves.data();
        for (int32_t _i = 0; _i < _n_asked; _i++)
            _flags[_i] = _hint[{{_plan.where_start}} + _i] != 0;
    }
    const int32_t _n_where = brianprop::compact(_moves.data(), _n_asked, _where.data(), {{_plan.where_start}});
    if (_n_where == 0 && !_runs.delayed())
        return;
    {% endif %}
    {% if _plan.copies and not _plan.sum %}
    if (!_alike) {
        _catch_up();
        {{_copies}}.equal = false;
    }
    {{_copies}}.behind |= _parts > 1;
    {% endif %}
    {% for id in _plan.writes %}
    brianprop::history<{{id}}u>().changes++;
    {% endfor %}
    {% if _plan.sum %}
    {# beyond that, sums of 16 bits could leave the 32 in which they are made #}
    if (_runs.matrix() && _runs.rows().size() <= 65536) {
        static brianprop::Sums<{{_plan.sum.type}}> _sums;
        static const brianprop::Sums<{{_plan.sum.type}}>::Sum *_sum;
        static int32_t _columns;
        brianprop::History &_history = brianprop::history<{{_plan.sum.id}}u>();
        const int32_t _other = _runs.rows()[0].other, _length = _runs.rows()[0].length;
        const bool _all = _other == {{_plan.where_start}} && _length == {{_plan.where_stop - _plan.where_start}};
        if (_now) { {# before anything changes the weights #}
            _columns = _sums.columns(_runs, {{_plan.sum.weights}}, _length, _all ? {{_plan.copies.parts if _plan.copies else 1}} : 1, _history);
            _sum = _sums.of(_runs, _spikes, _n_spikes, {{_plan.sum.weights}}, _num{{_plan.sum.name}}, _columns, _history);
        }
        {% if _plan.waits %}
        if (_drives.task == brianprop::Drives::EXPECT) {
            _drives.expect(_other, _length, _sums.largest(), true);
            return;
        }
        if (_now ? _drives.wait(_run_{{codeobj_name}}) : !_drives.matters(_other))
            return;
        {% endif %}
        {% for part in _plan.wakes %}
        {{_plan.blocks}}::wake({{part}}, _other, _length);
        {% endfor %}
        for (int32_t _part = 0; _part < _length; _part += _columns) {
            #pragma GCC ivdep
            for (int32_t _k = 0; _k < _columns; _k++)
                {{_plan.sum.target}}[_other + _part + _k] += _sum[_k];
        }
        return;
    }
    {% if _plan.waits %}
    _drives.refused = true; {# what this adds has no bound #}
    {% endif %}
    {% endif %}
    if (_now)
        _runs.collect(_spikes, _n_spikes);
    {% if _plan.waits and not _plan.sum %}
    if (_now && _drives.wait(_run_{{codeobj_name}}))
        return;
    if (_drives.task == brianprop::Drives::EXPECT) {
        _runs.pending([&](const brianprop::Run &_run) { _drives.expect(_run.other, _run.length, _run.most, !_run.diagonal); });
        return;
    }
    {% endif %}
    const auto _row = [&](const brianprop::Run &_run) BRIANPROP_APART {
        const int32_t {{_plan.spiking_index}} = _run.neuron, _length = _run.length / _parts;
        {% for part in _plan.wakes %}
        {{_plan.blocks}}::wake({{part}}, _run.other, _run.length);
        {% endfor %}
        {% for part in _plan.wakes_spiking %}
        {{_plan.blocks_spiking}}::wake({{part}}, _run.neuron, 1);
        {% endfor %}
        {% if _plan.only_where %}
        if ((_run.stride == 1 ? 32 * _n_where : _n_where) < _length) { // a row that does not lie side by side never vectorises
            for (int32_t _n = 0; _n < _n_where; _n++) {
                const int32_t _k = _where[_n] - _run.other;
                if (_k < 0 || _k >= _length)
                    continue;
                const size_t _idx = _run.synapse + _k * _run.stride;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
            return;
        }
        {% endif %}
        {% if _plan.constants %}
        if (_run.uniform) {
            const size_t _idx = _run.synapse;
            const size_t _vectorisation_idx = _idx;
            {% if _plan.independent %}
            #pragma GCC ivdep
            {% endif %}
            for (int32_t _k = 0; _k < _length; _k++) {
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
            return;
        }
        {% endif %}
        if (_run.stride == 1) {
            {% if _plan.independent %}
            #pragma GCC ivdep
            {% endif %}
            for (int32_t _k = 0; _k < _length; _k++) {
                const size_t _idx = _run.synapse + _k;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
        } else {
            for (int32_t _k = 0; _k < _length; _k++) {
                const size_t _idx = _run.synapse + _k * _run.stride;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.other_index}} = _run.other + _k;
                {{_plan.vector_code|autoindent}}
            }
        }
    };
    // Four rows to the same neurons: what these neurons hold is read and written once.
    const auto _four = [&](const brianprop::Run &_a, const brianprop::Run &_b, const brianprop::Run &_c, const brianprop::Run &_d) BRIANPROP_APART {
        {% if _plan.independent and not _plan.only_where and not _plan.sum %}
        {% for part in _plan.wakes %}
        {{_plan.blocks}}::wake({{part}}, _a.other, _a.length);
        {% endfor %}
        const int32_t _other = _a.other, _length = _a.length / _parts;
        const size_t _synapses[4] = {(size_t)_a.synapse, (size_t)_b.synapse, (size_t)_c.synapse, (size_t)_d.synapse};
        const int32_t _neurons[4] = {_a.neuron, _b.neuron, _c.neuron, _d.neuron};
        {% if _plan.random %}
        const auto _of_rows = _numbers; // every second row takes what the row before it leaves over
        {% endif %}
        #pragma GCC ivdep
        for (int32_t _k = 0; _k < _length; _k++) {
            const int32_t {{_plan.other_index}} = _other + _k;
            {% for row in range(4) %}
            {
                const size_t _idx = _synapses[{{row}}] + _k;
                const size_t _vectorisation_idx = _idx;
                const int32_t {{_plan.spiking_index}} = _neurons[{{row}}];
                {% if _plan.random and row % 2 == 0 %}
                const auto &_numbers = _of_rows;
                {% elif _plan.random %}
                const size_t _before = _synapses[{{row - 1}}] + _k; {# as that row writes it, so that the compiler sees that its block is drawn already #}
                const brianprop::Beside<{{dense_scalar()}}> _numbers = {_of_rows, static_cast<uint32_t>(_before)};
                {% endif %}
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
    const auto _some = [&](const brianprop::Run &_run, const int32_t *_spikes, const int32_t _count) BRIANPROP_APART {
        {% for part in _plan.wakes %}
        {{_plan.blocks}}::wake({{part}}, _run.other, _run.length);
        {% endfor %}
        {% for part in _plan.wakes_spiking %}
        {{_plan.blocks_spiking}}::wake({{part}}, _run.neuron, _run.length);
        {% endfor %}
        const int32_t _neuron = _run.neuron, _other = _run.other;
        const size_t _synapse = _run.synapse;
        for (int32_t _n = 0; _n < _count; _n++) {
            const int32_t _place = _spikes[_n] - _neuron;
            const size_t _idx = _synapse + _place;
            const size_t _vectorisation_idx = _idx;
            const int32_t {{_plan.spiking_index}} = _neuron + _place;
            const int32_t {{_plan.other_index}} = _other + _place;
            {{_plan.vector_code|autoindent}}
        }
    };
    const auto _many = [&](const brianprop::Run &_run, const int32_t *__restrict _flags) BRIANPROP_APART {
        {% for part in _plan.wakes %}
        {{_plan.blocks}}::wake({{part}}, _run.other, _run.length);
        {% endfor %}
        {% for part in _plan.wakes_spiking %}
        {{_plan.blocks_spiking}}::wake({{part}}, _run.neuron, _run.length);
        {% endfor %}
        const int32_t _neuron = _run.neuron, _other = _run.other, _length = _run.length;
        const size_t _synapse = _run.synapse;
        {# All are computed and only those whose neuron spikes are kept: there is no branch, so the loop vectorises. #}
        {% if _plan.constants %}
        if (_run.uniform) {
            const size_t _idx = _synapse;
            const size_t _vectorisation_idx = _idx;
            #pragma GCC ivdep
            for (int32_t _k = 0; _k < _length; _k++) {
                const int32_t {{_plan.spiking_index}} = _neuron + _k;
                const int32_t {{_plan.other_index}} = _other + _k;
                {{_plan.selecting_code|autoindent}}
            }
            return;
        }
        {% endif %}
        #pragma GCC ivdep
        for (int32_t _k = 0; _k < _length; _k++) {
            const size_t _idx = _synapse + _k;
            const size_t _vectorisation_idx = _idx;
            const int32_t {{_plan.spiking_index}} = _neuron + _k;
            const int32_t {{_plan.other_index}} = _other + _k;
            {{_plan.selecting_code|autoindent}}
        }
    };
    _runs.deliver([&](const brianprop::Run &_run) { return {{'_now || _drives.matters(_run.other)' if _plan.waits else 'true'}}; }, _row, _four, _some, _many);
{% endblock %}

{# Between two runs of a network, weights may be set by others. #}
{% block after_code %}
    {% if _plan.sum or _plan.constants %}
    void _forget_{{codeobj_name}}();
    _forget_{{codeobj_name}}();
    {% else %}
    // EMPTY_CODE_BLOCK
    {% endif %}
{% endblock %}

{% block extra_functions_cpp %}
void _debugmsg_{{codeobj_name}}() {}
{% if _plan.sum or _plan.constants %}
void _forget_{{codeobj_name}}() {
    _runs.compared = false;
    {% if _plan.sum %}
    brianprop::history<{{_plan.sum.id}}u>().changes++;
    {% if _plan.copies %}
    _catch_up();
    {{_copies}}.equal = false;
    {% endif %}
    {% endif %}
}
{% endif %}
{% endblock %}

{% block extra_functions_h %}
void _debugmsg_{{codeobj_name}}();
{% if _plan.sum or _plan.constants %}
void _forget_{{codeobj_name}}();
{% endif %}
{% endblock %}

{% macro main_finalise() -%}
{% endmacro %}
