"""Modules and functions stay short enough to be read at once."""

from .sources import modules, span

MODULE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS_BEFORE_STAR = 8
PROTOCOL_METHODS = 8


def test_no_module_is_longer_than_500_lines() -> None:
    offenders = {module.path: module.lines for module in modules() if module.lines > MODULE_LINES}
    assert offenders == {}


def test_no_function_is_longer_than_60_lines() -> None:
    offenders = {
        f"{module.path}:{function.lineno} {function.name}": span(function)
        for module in modules()
        for function in module.functions()
        if span(function) > FUNCTION_LINES
    }
    assert offenders == {}


def test_typical_modules_and_functions_are_far_below_the_limits() -> None:
    lengths = sorted(module.lines for module in modules())
    spans = sorted(span(function) for module in modules() for function in module.functions())
    assert lengths[len(lengths) // 2] <= 200
    assert spans[len(spans) // 2] <= 12


def test_no_protocol_asks_for_more_than_eight_methods() -> None:
    offenders = {
        f"{module.path} {found.name}": count
        for module in modules()
        for found in module.classes()
        if any(getattr(base, "id", "") == "Protocol" for base in found.bases)
        and (count := sum(hasattr(item, "args") for item in found.body)) > PROTOCOL_METHODS
    }
    assert offenders == {}


def test_no_function_takes_a_long_row_of_unnamed_parameters() -> None:
    """Commands are exempt: their parameters are the options that people write."""
    offenders = {
        f"{module.path}:{function.lineno} {function.name}": len(function.args.args)
        for module in modules()
        if module.room != "cli"
        for function in module.functions()
        if len([argument for argument in function.args.args if argument.arg not in ("self", "cls")])
        > PARAMETERS_BEFORE_STAR
    }
    assert offenders == {}


def test_names_of_modules_are_nouns_of_the_trade() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "base", "data", "info", "misc"}
    assert [module.path for module in modules() if module.path.removesuffix(".py").split("/")[-1] in vague] == []
