# SPDX-License-Identifier: Apache-2.0
"""`sysmt zeros`: which outputs behind a ReLU a predictor leaves out, what that saves, and what it costs."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.zeros.patterns import PATTERNS
from sysmt.sim.quant.zeros.study import METHODS, Settings, study

CALIBRATION = 64
"""Calibration inputs that are read: more are never used."""


def _run(args: argparse.Namespace) -> Result:
    settings = Settings(method=args.method, pattern=args.pattern, points=args.points)
    config = ArrayConfig(rows=args.size, cols=args.size)
    model = read_model(args.model).optimised()
    if model.network.states:
        raise UserError("model must be without a state for this, not with one: predictors are trained on single inputs")
    inputs = load(args.inputs, model.network, args.limit)
    calibration = load(args.calibrate, model.network, CALIBRATION)
    report = study(model, inputs, calibration, config, settings, progress)
    return Result(_text(report), report)


def _text(report: dict[str, Any]) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    rows = [
        {
            "expected loss": point["loss"],
            "MACs saved %": percent(point["saved"]),
            "cycles saved %": percent(point["cycles_saved"]),
            "wrong %": percent(point["wrong"]),
            "top-1 %": percent(point["top1"]),
            "agree %": percent(point["agree"]),
            "error %": percent(point["output_error"]),
        }
        for point in report["points"]
    ]
    exact = "" if report["top1_exact"] is None else f", top-1 {percent(report['top1_exact'])} %"
    lines = [
        f"{report['macs']} multiply-accumulates per input{exact}; {percent(report['covered'])} % in layers whose zeros "
        f"can be predicted, {percent(report['zeros'])} % for outputs that are zero",
        "",
        table(rows) if rows else "nothing is predicted zero",
    ]
    if report["points"]:
        layers = [
            {
                "layer": row["layer"].split(";")[0][-28:],
                "setting": "-" if row["setting"] is None else row["setting"],
                "left out %": percent(row["left_out"]),
                "wrong %": percent(row["wrong"]),
                "cycles saved %": percent(row["cycles_saved"]),
            }
            for row in report["points"][len(report["points"]) // 2]["layers"]
        ]
        lines += ["", "layers at the point in the middle:", table(layers)]
    return "\n".join(lines)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .tflite or .onnx file, or `digits`")
    parser.add_argument("inputs", metavar="INPUTS.npz", type=Path, help="tested inputs, as for `sysmt infer`")
    parser.add_argument(
        "--calibrate", type=Path, metavar="CALIB.npz", required=True, help="inputs to train on, never the tested"
    )
    parser.add_argument("--method", default="zap", choices=METHODS, help="how zeros are predicted (default zap)")
    parser.add_argument(
        "--pattern", type=int, default=5, metavar="N", help=f"of zap: {PATTERNS[0]} to {PATTERNS[-1]} (default 5)"
    )
    parser.add_argument("--points", type=int, default=6, metavar="N", help="of the trade-off curve (default 6)")
    parser.add_argument("--size", type=int, default=8, metavar="N", help="rows and columns of the array (default 8)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N inputs")


ZEROS = Handler(_arguments, _run)
