// The text twin of a picture: a two-column table, folded away. Text only, never HTML.

export function render({ model }) {
  const details = document.createElement("details");
  details.className = "ls-numbers";
  const summary = document.createElement("summary");
  const table = document.createElement("table");
  const body = document.createElement("tbody");
  table.append(body);
  details.append(summary, table);

  const draw = () => {
    summary.textContent = model.label;
    table.setAttribute("aria-label", model.label);
    details.hidden = !model.available;
    body.replaceChildren(
      ...model.rows.map(([name, value]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        const cell = document.createElement("td");
        cell.textContent = value;
        row.append(head, cell);
        return row;
      }),
    );
  };

  details.ontoggle = () => {
    model.opened = details.open;
  };

  model.on(["rows", "label", "available"], draw);
  draw();
  return details;
}
