// Shows every <time class="cc-time" datetime="…"> in the zone and language of the browser; its title keeps UTC.
(() => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const show = (element) => {
    const at = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(at.getTime())) return;
    const local = (element.classList.contains("exact") ? exact : format).format(at);
    if (element.textContent !== local) element.textContent = local;
  };
  const showAll = (root) => {
    if (root.nodeType === Node.ELEMENT_NODE) {
      if (root.matches("time.cc-time")) show(root);
      root.querySelectorAll("time.cc-time").forEach(show);
    } else if (root.nodeType === Node.TEXT_NODE && root.parentElement?.matches("time.cc-time")) {
      show(root.parentElement);
    }
  };
  const start = () => {
    showAll(document.body);
    new MutationObserver((changes) =>
      changes.forEach((change) => {
        change.addedNodes.forEach(showAll);
        if (change.type !== "childList") showAll(change.target);
      }),
    ).observe(document.body, { subtree: true, childList: true, characterData: true, attributeFilter: ["datetime"] });
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
