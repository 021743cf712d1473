// The words above a lens's picture. All text is set as text, never as HTML.

function legendEntry(entry) {
  const item = element("li", "ls-legend-entry");
  const mark = element("span", `ls-mark ls-mark-${entry.mark}`);
  mark.style.setProperty("--mark", entry.color);
  mark.setAttribute("aria-hidden", "true");
  item.append(mark, element("span", "ls-legend-label", entry.label));
  if (entry.value) item.append(element("span", "ls-legend-value", entry.value));
  return item;
}

// Dims the card that the words stand in. A class of the card set by the server would cost far more:
// Bokeh then lays the whole card out anew.
function dim(root, stale) {
  const caption = root.getRootNode().host;
  caption?.getRootNode().host?.classList.toggle("ls-stale", stale);
}

export function render({ model }) {
  const root = element("div", "ls-caption");
  const head = element("div", "ls-caption-head");
  const subject = element("span", "ls-subject");
  const detail = element("span", "ls-detail");
  const choices = element("div", "ls-choices");
  choices.setAttribute("role", "radiogroup");
  head.append(subject, detail, choices);
  const sentence = element("p", "ls-sentence");
  const legend = element("ul", "ls-legend");
  root.append(head, sentence, legend);

  let chosen = "";

  const choose = (name, focus) => {
    mark(name);
    model.choice = name;
    if (focus) choices.querySelector('[aria-checked="true"]')?.focus();
  };

  const mark = (name) => {
    chosen = name;
    for (const button of choices.children) {
      const checked = button.textContent === name;
      button.setAttribute("aria-checked", String(checked));
      button.tabIndex = checked ? 0 : -1;
    }
  };

  const choiceButton = (name, index, all) => {
    const button = element("button", "ls-choice", name);
    button.type = "button";
    button.setAttribute("role", "radio");
    button.onclick = () => choose(name, false);
    button.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      // The page moves through the layers with the same keys.
      event.preventDefault();
      event.stopPropagation();
      choose(all[(index + step + all.length) % all.length], true);
    };
    return button;
  };

  let names = "";
  const drawChoices = (all, label, name) => {
    choices.hidden = all.length < 2;
    choices.setAttribute("aria-label", label);
    // Kept while the names stay, so that the focus stays too.
    if (names !== all.join("\n")) {
      names = all.join("\n");
      choices.replaceChildren(...all.map(choiceButton));
    }
    mark(name);
  };

  let drawn = [];
  const drawLegend = (entries) => {
    // What stays the same stays where it is: the browser need not lay it out again.
    const keys = entries.map((entry) => JSON.stringify(entry));
    entries.forEach((entry, at) => {
      if (keys[at] === drawn[at]) return;
      const made = legendEntry(entry);
      if (legend.children[at]) legend.children[at].replaceWith(made);
      else legend.append(made);
    });
    while (legend.children.length > entries.length) legend.lastChild.remove();
    drawn = keys;
  };

  const draw = () => {
    const now = model.content;
    say(subject, now.subject ?? "");
    say(detail, now.detail ?? "");
    head.hidden = !now.subject && !now.detail;
    drawChoices(now.choices ?? [], now.choices_label ?? "", now.choice ?? chosen);
    say(sentence, now.sentence ?? "");
    sentence.hidden = !now.sentence;
    root.dataset.tone = now.tone ?? "plain";
    const entries = now.legend ?? [];
    drawLegend(entries);
    legend.hidden = !entries.length;
  };

  model.on("content", draw);
  model.on("stale", () => dim(root, model.stale));
  draw();
  return root;
}
