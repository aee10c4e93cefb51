"use strict";
(async () => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const draw = async () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    for (const [name, chart] of Object.entries(charts))
      await vegaEmbed(document.getElementById(name), chart, { actions: false, renderer: "svg", theme: dark ? "dark" : undefined,
        config: { background: "transparent" } });
  };
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.body.dataset.ready = "true";
})();
