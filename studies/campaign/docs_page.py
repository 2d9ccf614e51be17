"""The study's page of the site: ``python -m studies.campaign.docs_page`` writes docs/campaign.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo import console
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.style import Panel
from studies.campaign.data import StudyTables
from studies.campaign.predictor_tables import table_2, table_of_final_half, table_of_scores
from studies.campaign.report import TITLE, panels_of_companions, panels_of_predictors, panels_of_table
from studies.campaign.statements import completeness, lead
from studies.markdown import markdown

IMAGES = "images"

HEAD = """# {title}

Written by `python -m studies.campaign.docs_page` from what the stages of `studies/campaign` found:
`dvc repro studies/campaign/dvc.yaml` measures all of it again, from the data sets that the package ships. How
they were made, and what they are not, is in their cards (`mlpf_hpo/shipped_curves/campaign-v1.card.md`).

{completeness}

"""


def write_docs_page(records: Mapping[str, Any], tables: StudyTables, out: Path) -> None:
    """Write the page, and its figures beside it.

    Parameters
    ----------
    records : mapping
        As for `build_campaign_report`.
    tables : StudyTables
        The curves that figures draw.
    out : Path
        The file of the page.
    """
    found = records["analysis"]
    text = HEAD.format(title=TITLE, completeness=completeness(found))
    text += "".join(f"- {sentence}\n" for sentence in lead(found)) + "\n"
    text += _figures(panels_of_table(tables.main, found["main"], "") + panels_of_companions(found), out)
    text += f"## Table 2 on these curves\n\n{markdown(table_2(records['table_2']))}\n"
    text += _figures(panels_of_predictors(records), out)
    text += "## Every predictor on the design half\n\n"
    shares = records["predictors"]["shares"]
    text += "\n".join(markdown(table_of_scores(records["predictors"], one)) for one in shares)
    text += "\n## The selected predictor on the final half\n\n"
    final = records["final_half"]
    text += (
        "Not measured yet: this is done once, when nothing is tuned any more.\n"
        if final is None
        else markdown(table_of_final_half(final))
    )
    write_text(out, text)


def _figures(panels: Iterable[Panel], out: Path) -> str:
    text = ""
    for panel in panels:
        image = f"{IMAGES}/campaign_{panel.name.removeprefix('figure-')}.png"
        write_bytes(out.parent / image, png(panel.figure))
        text += f"## {panel.title}\n\n![{panel.title}]({image})\n\n{panel.caption}\n\n"
    return text


def main() -> None:
    """Write docs/campaign.md."""
    from studies.campaign.data import load_tables
    from studies.campaign.page import read_records
    from studies.campaign.params import read_study

    out = Path("docs/campaign.md")
    write_docs_page(read_records(), load_tables(read_study().data), out)
    console.out.print(f"campaign study: {out}")


if __name__ == "__main__":
    console.run(main)
