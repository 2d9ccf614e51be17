"""The study's page of the site: ``python -m studies.campaign.docs_page`` writes docs/campaign.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo import console
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.replay import spread
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.reporting.tables import Table
from studies.campaign.data import StudyTables
from studies.campaign.predictor_tables import table_2, table_of_final_half, table_of_scores
from studies.campaign.report import TITLE, panels_of_companions, panels_of_predictors, panels_of_table
from studies.campaign.statements import completeness, lead
from studies.live_search.comparison import DIFFERENCES

IMAGES = "images"

LIVE = {
    "prior": "Real searches at the size of the pipeline, with this data set as the prior and with others",
    "campaign_v1": "Real searches at the size of this data set, which is the prior",
}
"""Folders of `studies/live_search`, and what they are."""

FORMS = {"epochs": ".0f", "best_loss": ".1f", "retrained_loss": ".1f"}

HEAD = """# {title}

Written by `python -m studies.campaign.docs_page` from what the stages of `studies/campaign` found:
`dvc repro studies/campaign/dvc.yaml` measures all of it again, from the data sets that the package ships. How
they were made, and what they are not, is in their cards (`mlpf_hpo/shipped_curves/campaign-v1.card.md`).

{completeness}

"""


def write_docs_page(
    records: Mapping[str, Any], tables: StudyTables, searches: Mapping[str, Any], out: Path
) -> None:
    """Write the page, and its figures beside it.

    Parameters
    ----------
    records : mapping
        As for `build_campaign_report`.
    tables : StudyTables
        The curves that figures draw.
    searches : mapping
        Folder of `LIVE` -> what `compare_schedulers` found; those that were not measured are left out.
    out : Path
        The file of the page.
    """
    found = records["analysis"]
    text = HEAD.format(title=TITLE, completeness=completeness(found))
    text += "".join(f"- {sentence}\n" for sentence in lead(found)) + "\n"
    text += _figures(panels_of_table(tables.main, found["main"], "") + panels_of_companions(found), out)
    text += f"## Table 2 on these curves\n\n{_table(table_2(records['table_2']))}\n"
    text += _figures(panels_of_predictors(records), out)
    text += "## Every predictor on the design half\n\n"
    shares = records["predictors"]["shares"]
    text += "\n".join(_table(table_of_scores(records["predictors"], one)) for one in shares)
    text += "\n## The selected predictor on the final half\n\n"
    final = records["final_half"]
    text += (
        "Not measured yet: this is done once, when nothing is tuned any more.\n"
        if final is None
        else _table(table_of_final_half(final))
    )
    for name, compared in searches.items():
        text += f"\n## {LIVE[name]}\n\n{_table(table_of_searches(compared))}"
    write_text(out, text)


def table_of_searches(compared: Mapping[str, Any]) -> Table:
    """Return what each scheduler took and found, and how it stands to the yardstick."""
    rows = []
    for key, one in compared["schedulers"].items():
        own = [spread(one[name], form) for name, form in FORMS.items()]
        other = [spread(one[name], ".2f") if name in one else "–" for name in ("epochs_ratio", *DIFFERENCES)]
        rows.append((key, *own, *other))
    caption = (
        f"{compared['streams']} streams of {compared['configurations']} configurations, at most "
        f"{compared['max_epochs']} epochs; means with 95 % bootstrap intervals over streams. The last three "
        f"columns are beside {compared['yardstick']}: epochs over its epochs, and how much worse the best "
        "loss is, as it was found and where that configuration was trained again with other seeds, which "
        "takes the luck out; seeds alone make a standard deviation of "
        f"{compared['deviation_between_seeds']:.2g}."
    )
    of_each, beside = ("epochs", "best loss", "trained again"), ("epochs, ratio", "worse by", "trained again")
    header = ("search", *of_each, *beside)
    return Table(caption, header, rows)


def _figures(panels: Iterable[Panel], out: Path) -> str:
    text = ""
    for panel in panels:
        image = f"{IMAGES}/campaign_{panel.name.removeprefix('figure-')}.png"
        write_bytes(out.parent / image, png(panel.figure))
        text += f"## {panel.title}\n\n![{panel.title}]({image})\n\n{panel.caption}\n\n"
    return text


def _table(table: Table) -> str:
    """Return a table in Markdown; short rows are filled with empty cells."""
    width = len(table.header)
    lines = [table.header, ["---"] * width, *([*row, *[""] * (width - len(row))] for row in table.rows)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{table.caption}\n\n{rows}"


def main() -> None:
    """Write docs/campaign.md."""
    from mlpf_hpo.files import read_json
    from studies.campaign.data import load_tables
    from studies.campaign.page import read_records
    from studies.campaign.params import read_study

    out = Path("docs/campaign.md")
    files = {name: Path("studies/live_search", name, "results/metrics.json") for name in LIVE}
    searches = {name: read_json(file, name) for name, file in files.items() if file.exists()}
    write_docs_page(read_records(), load_tables(read_study().data), searches, out)
    console.out.print(f"campaign study: {out}")


if __name__ == "__main__":
    console.run(main)
