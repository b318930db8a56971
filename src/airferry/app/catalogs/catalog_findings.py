"""What was found wrong in a catalog, as every command tells it: as a line for people, and as JSON."""

from airferry.openshift.catalog.findings import Finding


def finding_to_json(finding: Finding) -> dict[str, str]:
    """Return a finding as a JSON object with stable keys."""
    return {
        "code": finding.code.value,
        "package": finding.package,
        "channel": finding.channel,
        "bundle": finding.bundle,
        "image": finding.image,
        "what": finding.what,
        "where": finding.where,
        "repaired": finding.repaired,
        "hint": finding.hint,
        "consequence": finding.consequence,
    }


def finding_line(finding: Finding) -> str:
    """Return a finding in a line for people."""
    whose = finding.bundle or finding.package
    about = f"{whose}: " if whose and whose not in finding.what else ""
    made = f"; read as {finding.repaired}" if finding.repaired else ""
    where = f" ({finding.where})" if finding.where else ""
    return one_line(f"{about}{finding.what}{made}{where}")


def one_line(text: str) -> str:
    """Return ``text`` in a line, without what a terminal would obey: names and messages in a catalog are foreign."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in text)
