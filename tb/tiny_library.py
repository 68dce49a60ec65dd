# SPDX-License-Identifier: Apache-2.0
"""A liberty file of eight cells, made for tests: every number in it is easy to compute with."""

_GATES = {
    # name: area, {output: function}, inputs
    "INV": (1.0, {"Y": "!A"}, "A"),
    "BUF": (1.5, {"Y": "A"}, "A"),
    "NAND2": (2.0, {"Y": "!(A & B)"}, "AB"),
    "NOR2": (2.0, {"Y": "(A + B)'"}, "AB"),
    "XOR2": (4.0, {"Y": "A ^ B"}, "AB"),
    "FA": (10.0, {"CO": "(A & B) | (A & C) | (B & C)", "S": "A ^ B ^ C"}, "ABC"),
}
CAPACITANCE, DELAY, SLEW, INTERNAL, CLOCK_INTERNAL, INPUT_INTERNAL = 0.002, 0.1, 0.05, 0.003, 0.02, 0.001


def _table(kind: str, template: str, value: float) -> str:
    return f'{kind} ({template}) {{ values ("{value}, {value}", "{value}, {value}"); }}'


def _powers(related: str, value: float) -> str:
    tables = _table("rise_power", "energy", value) + _table("fall_power", "energy", value)
    return f"internal_power () {{ {f'related_pin : {related};' if related else ''} {tables} }}"


def _arc(related: str, kind: str) -> str:
    tables = [("cell_rise", DELAY), ("cell_fall", DELAY), ("rise_transition", SLEW), ("fall_transition", SLEW)]
    body = " ".join(_table(name, "delay", value) for name, value in tables)
    return f'timing () {{ related_pin : "{related}"; timing_type : {kind}; timing_sense : non_unate; {body} }}'


def _gate(name: str) -> str:
    area, outputs, inputs = _GATES[name]
    pins = [f"pin ({p}) {{ direction : input; capacitance : {CAPACITANCE}; }}" for p in inputs]
    for output, function in outputs.items():
        tables = " ".join(_powers(p, INTERNAL) + _arc(p, "combinational") for p in inputs)
        pins.append(f'pin ({output}) {{ direction : output; function : "{function}"; {tables} }}')
    return f"cell ({name}) {{ area : {area}; cell_leakage_power : 1.0; {' '.join(pins)} }}"


FLIP_FLOP = f"""cell (DFF) {{ area : 8.0; cell_leakage_power : 2.0;
  ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }}
  pin (CK) {{ direction : input; clock : true; capacitance : {CAPACITANCE}; {_powers("", CLOCK_INTERNAL)} }}
  pin (D) {{ direction : input; capacitance : {CAPACITANCE}; {_powers("", INPUT_INTERNAL)}
    timing () {{ related_pin : "CK"; timing_type : setup_rising;
      rise_constraint (scalar) {{ values ("0.04"); }} fall_constraint (scalar) {{ values ("0.04"); }} }} }}
  pin (Q) {{ direction : output; function : "IQ"; {_powers("CK", INTERNAL)} {_arc("CK", "rising_edge")} }} }}
"""

CLOCK_GATE = f"""cell (GATE) {{ area : 3.0; cell_leakage_power : 1.0; clock_gating_integrated_cell : "latch_posedge";
  pin (CK) {{ direction : input; clock : true; clock_gate_clock_pin : true; capacitance : {CAPACITANCE};
    {_powers("", CLOCK_INTERNAL)} }}
  pin (EN) {{ direction : input; clock_gate_enable_pin : true; capacitance : {CAPACITANCE}; }}
  pin (GCK) {{ direction : output; clock_gate_out_pin : true; state_function : "CK & EN"; }} }}
"""

HEAD = """library (tiny) {
  /* units of
     the tests */
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf); pulling_resistance_unit : "1kohm";
  nom_voltage : 2.0; nom_process : 1.0; nom_temperature : 25.0; default_max_transition : 10.0;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50; output_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50; slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  lu_table_template (delay) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.01, 1.0"); \\
    index_2 ("0.001, 1.0"); }
  power_lut_template (energy) { variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
    index_1 ("0.01, 1.0"); index_2 ("0.001, 1.0"); }
"""


def tiny_library(*without: str) -> str:
    """The text, without the cells named."""
    cells = [_gate(name) for name in _GATES if name not in without] + [FLIP_FLOP] * ("DFF" not in without)
    cells += [CLOCK_GATE] * ("GATE" not in without)
    return HEAD + "\n".join(cells) + "\n}\n"
