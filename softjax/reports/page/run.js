"use strict";
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const byId = (id) => document.getElementById(id);
  const page = read("data"), charts = read("charts"), views = {};
  const isPath = page.kind === "path";
  const names = Object.keys(page.rows);
  const rows = page.rows.config.map((_, i) => Object.fromEntries(names.map((name) => [name, page.rows[name][i]])));
  const short = (x) => (x === null ? "–" : String(Number(x.toPrecision(4))));
  const share = (x) => (x === null ? "–" : x.toFixed(4));
  const between = (low, high) => (low === null ? "–" : `${share(low)} to ${share(high)}`);

  // column of the table: name, title, text
  const columns = [
    ...(isPath ? [] : [["lr", "lr", short]]),
    ["reg", "reg", short],
    ["train", "train accuracy", share],
    ["val", `${page.validation} accuracy`, share],
    ["low", "95 % interval", (_, row) => between(row.low, row.high)],
    ["tied", "tied", (x) => (x ? "•" : "")],
    ["test", "test accuracy", share],
    ["loss", isPath ? "objective" : "training objective", short],
    isPath ? ["gap", "gap", short] : ["diverged", "diverged", (x) => (x ? String(x) : "")],
  ];
  // weights of single features along a path, by the number of the class
  const kept = page.weights || { features: [], quantiles: [] };
  const weights = kept.features.flatMap((names, k) => names.flatMap((feature, n) =>
    rows.map((row, r) => ({ class: k, feature, reg: row.reg, weight: kept.values[k][n][r] }))));
  const spread = kept.quantiles.flatMap((ends, k) => rows.map((row, r) => {
    const [q5, q25, , q75, q95] = ends.map((each) => each[r]);
    return { class: k, reg: row.reg, q5, q25, q75, q95 };
  }));
  let chosen = page.best, sorted = { name: "val", down: true };

  function data(config) {
    const curves = page.curves;
    const find = (matrix) => (matrix === undefined ? null : matrix[String(config)] || null);
    const counts = find(page.confusion);
    const follow = (values) => curves.steps.map((step, i) => ({ step, value: values[i] }));
    const quantiles = (q) => curves.steps.map((step, i) => ({ step, q5: q[0][i], q25: q[1][i], q50: q[2][i], q75: q[3][i], q95: q[4][i] }));
    return {
      rows,
      bands: curves ? quantiles(curves.quantiles) : [],
      curve: curves ? follow(curves.loss[config]) : [],
      share_bands: curves && curves.share ? quantiles(curves.share_quantiles) : [],
      share_curve: curves && curves.share ? follow(curves.share[config]) : [],
      per_class: page.classes.map((name, k) => ({ class: name, accuracy: page.per_class[config][k],
        best: page.per_class[page.best][k], examples: page.class_sizes[k] })),
      confusion: counts ? counts.flatMap((row, i) => row.map((count, j) => ({ true: page.classes[i], predicted: page.classes[j],
        count, share: count / Math.max(1, row.reduce((a, b) => a + b)) }))) : [],
      weights, spread,
    };
  }

  async function draw() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const filled = data(chosen), shown = views.weights && views.weights.signal("shown");
    for (const [name, chart] of Object.entries(charts)) {
      const spec = { ...chart, datasets: { ...chart.datasets, ...filled } };
      const result = await vegaEmbed(byId(name), spec, { actions: { export: true, source: false, compiled: false, editor: false },
        logLevel: 1, // errors alone: a view of a configuration without data warns of an empty range
        renderer: "svg", theme: dark ? "dark" : undefined, config: { background: "transparent" } });
      views[name] = result.view;
      const menu = byId(name).querySelector("summary");
      if (menu) menu.setAttribute("aria-label", "Save this chart");
    }
    for (const view of ["main", "by_lr", "by_reg"].map((name) => views[name]).filter(Boolean))
      view.addEventListener("click", (_, item) => {
        if (item && item.datum && Number.isInteger(item.datum.config)) choose(item.datum.config);
      });
    if (shown !== undefined) views.weights.signal("shown", shown);
    await update();
  }

  async function update() {
    const filled = data(chosen);
    for (const [name, view] of Object.entries(views)) {
      view.signal("config", chosen);
      const used = { curves: ["curve"], shares: ["share_curve"], classes: ["per_class"], confusion: ["confusion"] }[name] || [];
      for (const each of used) view.data(each, filled[each]);
      await view.runAsync();
    }
  }

  function choose(config) {
    chosen = config;
    const row = rows[config];
    const facts = [
      ...(isPath ? [] : [["learning rate lr", short(row.lr)]]),
      ["penalty strength reg", short(row.reg)],
      [`${page.validation} accuracy`, `${share(row.val)} (95 %: ${between(row.low, row.high)})`],
      ["training accuracy", share(row.train)],
      ["test accuracy", `${share(row.test)} (95 %: ${between(row.test_low, row.test_high)})`],
      [isPath ? "objective" : "training objective", `${short(row.loss)} nats`],
      ["beside the best", config === page.best ? "it is the best" : row.tied ? "statistically tied with it"
        : row.val === null ? "it diverged" : !isPath && row.steps < Math.max(...page.rows.steps) ? `stopped after ${row.steps} steps` : "worse"],
      ...(isPath ? [["converged", row.converged ? "yes" : "no"], ["norm of the weights", short(row.norm)]]
        : row.diverged ? [["runs that diverged", String(row.diverged)]] : []),
    ];
    byId("facts").replaceChildren(...facts.flatMap(([name, value]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }));
    byId("command").textContent = [["LR", row.lr], ["REG", row.reg]].reduce(
      (text, [name, value]) => text.replace(new RegExp(`\\b${name}\\b(?!.*\\b${name}\\b)`, "s"), () => String(value)), page.alone);
    showTemplates(config);
    const known = page.confusion[String(config)] !== undefined;
    byId("confusion-section").hidden = Object.keys(page.confusion).length === 0;
    byId("confusion").hidden = !known;
    byId("confusion-note").textContent = known ? `Counts of the ${page.num_test.toLocaleString("en")} test examples.`
      : "Kept for the best configuration alone; --keep-weights all keeps it for every one.";
    for (const line of byId("table").tBodies[0].rows) mark(line);
    setStop();
    const slider = byId("slider");
    if (slider) {
      const order = byReg();
      slider.value = order.indexOf(config);
      slider.setAttribute("aria-valuetext", `reg ${short(row.reg)}`);
    }
    if (views.main) update();
  }

  function showTemplates(config) {
    const images = page.templates[String(config)];
    byId("templates-section").hidden = Object.keys(page.templates).length === 0;
    byId("templates-note").textContent = images ? "The weights of each class as an image, all on one scale."
      : "Kept for the best configuration alone; --keep-weights all keeps them for every one.";
    byId("templates").replaceChildren(...(images || []).map((url, k) => {
      const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
      image.src = url;
      image.alt = `template of the class ${page.classes[k]}`;
      caption.textContent = page.classes[k];
      figure.append(image, caption);
      return figure;
    }));
  }

  function mark(line) {
    const is = Number(line.dataset.config) === chosen;
    line.setAttribute("aria-selected", String(is));
    const button = line.querySelector("button");
    button.setAttribute("aria-pressed", String(is));
    button.tabIndex = is ? 0 : -1;
  }

  // one button of the table is a stop of the Tab key: the chosen one, or else the first. Up and down lead to the others
  function setStop() {
    const buttons = [...byId("table").tBodies[0].querySelectorAll("button")];
    if (buttons.length && buttons.every((button) => button.tabIndex < 0)) buttons[0].tabIndex = 0;
  }

  function moveInTable(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    const line = step && event.target.closest("tr")[step];
    if (!line || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const button = line.querySelector("button");
    event.target.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  // the neighbour of the chosen configuration: in a grid the next cell, else the next value of reg or lr
  function move(name, step) {
    const other = name === "lr" ? "reg" : "lr", line = page.grid ? rows.filter((row) => row[other] === rows[chosen][other]) : rows;
    const order = line.map((row) => row.config).sort((a, b) => rows[a][name] - rows[b][name] || a - b);
    choose(order[Math.min(Math.max(order.indexOf(chosen) + step, 0), order.length - 1)]);
  }

  const ARROWS = { ArrowLeft: ["reg", -1], ArrowRight: ["reg", 1], ...(isPath ? {} : { ArrowUp: ["lr", 1], ArrowDown: ["lr", -1] }) };

  function moveByKey(event) {
    if (!ARROWS[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(...ARROWS[event.key]);
  }

  const byReg = () => rows.map((row) => row.config).sort((a, b) => rows[a].reg - rows[b].reg);

  const COMPARE = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };
  const CONDITION = /^([a-z]+)\s*(<=|>=|=|<|>)\s*(.*)$/;

  // `val > 0.9, lr <= 1e-3`: all of these, as it is or as the table writes it; a number: lr or reg is that; else a part of a cell
  function passes(row, text, written) {
    return text.split(",").map((part) => part.trim()).filter(Boolean).every((part) => {
      const plain = part.toLowerCase().replace("≤", "<=").replace("≥", ">=").replace("==", "=");
      const [, name, sign, value] = plain.match(CONDITION) || [];
      if (name in row) {
        if (!value || Number.isNaN(Number(value))) return true; // it is being typed
        const write = (columns.find(([column]) => column === name) || [])[2] || String;
        return row[name] !== null && [row[name], write(row[name], row)].some((x) => COMPARE[sign](Number(x), Number(value)));
      }
      return [row.lr, row.reg].includes(Number(part)) || written(row).some((cell) => cell.includes(part));
    });
  }

  function fillTable() {
    const table = byId("table"), text = byId("filter").value.trim(), onlyTied = byId("only-tied").checked;
    const written = (row) => columns.map(([name, , write]) => write(row[name], row));
    const value = (row) => (row[sorted.name] === null ? -Infinity : Number(row[sorted.name]));
    const kept = rows.filter((row) => (!onlyTied || row.tied) && passes(row, text, written));
    kept.sort((a, b) => (sorted.down ? value(b) - value(a) : value(a) - value(b)) || a.config - b.config);
    const most = 2000;
    table.tBodies[0].replaceChildren(...kept.slice(0, most).map((row) => {
      const line = document.createElement("tr");
      line.dataset.config = row.config;
      const pick = document.createElement("td"), button = document.createElement("button");
      button.type = "button";
      button.textContent = "show";
      button.setAttribute("aria-label", `show ${isPath ? "" : `lr ${short(row.lr)}, `}reg ${short(row.reg)}`);
      button.addEventListener("click", () => choose(row.config));
      pick.append(button);
      line.append(pick, ...written(row).map((cell) => {
        const td = document.createElement("td");
        td.textContent = cell;
        return td;
      }));
      mark(line);
      return line;
    }));
    setStop();
    byId("shown").textContent = `${Math.min(kept.length, most).toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
    for (const head of table.tHead.rows[0].cells)
      head.setAttribute("aria-sort", head.dataset.name !== sorted.name ? "none" : sorted.down ? "descending" : "ascending");
  }

  function prepareTable() {
    const head = document.createElement("tr");
    head.append(document.createElement("th"), ...columns.map(([name, title]) => {
      const th = document.createElement("th"), button = document.createElement("button");
      th.scope = "col";
      th.dataset.name = name;
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => {
        sorted = { name, down: sorted.name === name ? !sorted.down : true };
        fillTable();
      });
      th.append(button);
      return th;
    }));
    byId("table").tHead.append(head);
    byId("table").tBodies[0].addEventListener("keydown", moveInTable);
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filter").addEventListener("input", fillTable);
    byId("only-tied").addEventListener("change", fillTable);
    fillTable();
  }

  prepareTable();
  byId("main").addEventListener("keydown", moveByKey);
  byId("to-best").addEventListener("click", () => choose(page.best));
  byId("copy").addEventListener("click", () => navigator.clipboard && navigator.clipboard.writeText(byId("command").textContent));
  const slider = byId("slider");
  if (slider) slider.addEventListener("input", () => choose(byReg()[Number(slider.value)]));
  choose(page.best);
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.body.dataset.ready = "true";
})();
