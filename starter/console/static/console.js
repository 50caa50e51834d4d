// Shows every <time class="cc-time" datetime="…"> in the zone and language of the browser; its title keeps UTC.
(() => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const show = (element) => {
    const at = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(at.getTime())) return;
    const local = format.format(at);
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

// Shows the entry of the page that is open, where the navigation is wider than the window.
(() => {
  const show = () => {
    const nav = document.querySelector(".cc-nav");
    if (!nav) return setTimeout(show, 100);
    const here = nav.querySelector("[aria-current=page]"); // none on a page that is not found, or not offered
    if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  };
  show();
})();

// Gives the keyboard's focus back if what had it is built anew: to the element of the same kind and label.
(() => {
  const KINDS = "a[href], button, input, select, summary, textarea, [tabindex]";
  const nameOf = (element) =>
    (
      element.getAttribute("aria-label") ||
      element.labels?.[0]?.textContent ||
      (element.matches("a, button, summary") && element.textContent) ||
      ""
    ).trim();
  const alike = (tag, name) =>
    [...document.querySelectorAll(KINDS)].filter(
      (one) => one.tagName === tag && one.getClientRects().length && nameOf(one) === name,
    );
  let had = null;
  document.addEventListener("focusin", ({ target: element }) => {
    const name = nameOf(element);
    had = name && { element, name, place: Math.max(alike(element.tagName, name).indexOf(element), 0) };
  });
  document.addEventListener("focusout", ({ target: element }) =>
    setTimeout(() => {
      if (had?.element === element && element.isConnected) had = null; // somebody left it: it was not removed
    }),
  );
  document.addEventListener("pointerdown", () => {
    if (had && !had.element.isConnected) had = null;
  });
  const giveBack = () => {
    if (!had || had.element.isConnected || document.activeElement !== document.body) return;
    const found = alike(had.element.tagName, had.name);
    found[Math.min(had.place, found.length - 1)]?.focus({ preventScroll: true });
  };
  const start = () => new MutationObserver(giveBack).observe(document.body, { subtree: true, childList: true });
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();

// Loads a page anew that the console does not know any more, because the browser slept or the console restarted.
(() => {
  const MAX_REFUSED = 2;
  const watch = () => {
    if (!window.socket) return setTimeout(watch, 100);
    let wasConnected = window.socket.connected, refused = 0;
    window.socket.on("connect", () => {
      wasConnected = true;
      refused = 0;
    });
    window.socket.on("connect_error", async () => {
      const isAlive = await fetch("/healthz", { cache: "no-store" }).then(({ ok }) => ok, () => false);
      refused = isAlive ? refused + 1 : 0;
      // once: the composer asks before it is left, and whoever stays is not asked again at each attempt to connect
      if (wasConnected && refused === MAX_REFUSED) window.location.reload();
    });
  };
  watch();
})();
