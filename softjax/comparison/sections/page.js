"use strict";
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const byId = (id) => document.getElementById(id);
  const page = read("data"), charts = read("charts"), views = {};
  const find = (row, name) => page.outcomes.find((each) => each.row === row && each.case === name);

  async function draw() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const datasets = { outcomes: page.outcomes, speeds: page.speeds, roundings: page.roundings };
    for (const [name, chart] of Object.entries(charts)) {
      const result = await vegaEmbed(byId(name), { ...chart, datasets: { ...chart.datasets, ...datasets } }, { actions: false, renderer: "svg",
        theme: dark ? "dark" : undefined, config: { background: "transparent" } });
      views[name] = result.view;
    }
    if (!views.outcomes) return;
    views.outcomes.addEventListener("click", (_, item) => {
      if (item && item.datum && item.datum.case) choose(item.datum.row, item.datum.case);
    });
    await mark();
  }

  async function mark() {
    if (!views.outcomes) return;
    await views.outcomes.signal("row", byId("row").value).signal("case_name", byId("case").value).runAsync();
  }

  function choose(row, name) {
    byId("row").value = row;
    byId("case").value = name;
    const about = page.rows[row], given = page.cases[name], found = find(row, name);
    const facts = [
      ["row", `${about.title}${about.version ? `, ${about.version}` : ""}`],
      ["case", given.what],
      ["due", `${given.due}: ${given.reason}`],
      ["outcome", found ? found.outcome : "not asked"],
      ...(found && found.message ? [["message", found.message]] : []),
      ...(about.version ? [] : [["to install it", about.install]]),
    ];
    byId("facts").replaceChildren(...facts.flatMap(([title, value]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = title;
      dd.textContent = value;
      return [dt, dd];
    }));
    byId("script").hidden = !(found && found.script);
    byId("script").textContent = found && found.script ? found.script.map((number) => page.lines[number]).join("\n") : "";
    mark();
  }

  function offerOutcomes() {
    const fill = (select, names) => select.replaceChildren(...names.map((name) => new Option(name, name)));
    const asked = new Set(page.outcomes.map((each) => each.case));
    fill(byId("row"), Object.keys(page.rows));
    fill(byId("case"), Object.keys(page.cases).filter((name) => asked.has(name)));
    for (const id of ["row", "case"]) byId(id).addEventListener("change", () => choose(byId("row").value, byId("case").value));
    const first = page.outcomes.find((each) => each.level === "wrong") || page.outcomes[0];
    choose(first.row, first.case);
  }

  if (page.outcomes.length) offerOutcomes();
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.body.dataset.ready = "true";
})();
