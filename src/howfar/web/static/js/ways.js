// Ways into the page, and its colours.

// Pictures that are dropped or pasted anywhere on the page.
export function wireDrops(veil, take) {
  let depth = 0;
  const show = (shown) => (veil.hidden = !shown);
  document.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) show(false);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show(false);
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take(event.clipboardData.files);
  });
}

// Light, dark, or as the system says; kept for the next visit.
export function wireTheme(button) {
  const words = { "": "as the system", light: "light", dark: "dark" };
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.setAttribute("aria-label", `Colours: ${words[theme]}`);
    button.title = `Colours: ${words[theme]}`;
  };
  let theme = localStorage.getItem("howfar-theme") ?? "";
  apply(theme in words ? theme : "");
  button.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const order = dark ? ["", "light", "dark"] : ["", "dark", "light"];
    theme = order[(order.indexOf(theme) + 1) % 3];
    localStorage.setItem("howfar-theme", theme);
    apply(theme);
  });
}
