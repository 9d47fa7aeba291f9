/// The one script. Pages work without it; it adds what saves a click or a reload.
enum Script {
  static let source = #"""
    "use strict";
    document.documentElement.classList.add("js");
    const one = (selector, root = document) => root.querySelector(selector);
    const all = (selector, root = document) => [...root.querySelectorAll(selector)];

    // Times in the reader's own zone.
    function localTimes(root) {
      const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium",
        timeZone: document.documentElement.dataset.zone || undefined });
      for (const time of all("time[datetime]", root)) {
        const moment = new Date(time.dateTime);
        if (!isNaN(moment)) { time.title = time.dateTime; time.textContent = format.format(moment); }
      }
    }

    // Logs keep to their end until somebody scrolls up.
    function follow(root) { for (const log of all("[data-follow]", root)) log.scrollTop = log.scrollHeight; }

    // Menus close when something else is clicked, or with Escape.
    document.addEventListener("click", (event) => {
      for (const menu of all("details.drop[open]")) if (!menu.contains(event.target)) menu.open = false;
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
        const box = one(".find input");
        if (box) { event.preventDefault(); box.focus(); }
      }
      if (event.key !== "Escape") return;
      for (const menu of all("details.drop[open]")) { menu.open = false; one("summary", menu).focus(); }
    });

    async function page(address, options) {
      const reply = await fetch(address, { credentials: "same-origin", ...options });
      if (reply.redirected && new URL(reply.url).pathname === "/sign-in") { location.reload(); return null; }
      return new DOMParser().parseFromString(await reply.text(), "text/html");
    }

    // What changes by itself is told by the server, while the page is seen; it is shown when nobody is about to do
    // something with what is there.
    function watch() {
      if (!one("#live[data-live]") || !window.EventSource) return;
      let source = null, waiting = null;
      const isBusy = () => one("#live details[open], dialog[open], #live input:checked, .head details[open]") || getSelection().toString();
      function show() {
        if (!waiting || isBusy()) return;
        const parts = JSON.parse(waiting);
        waiting = null;
        replace("live", parts.live);
        if (parts.status !== undefined) replace("live-status", parts.status);
      }
      function open() {
        if (source || document.hidden) return;
        source = new EventSource("/events?page=" + encodeURIComponent(location.pathname + location.search));
        source.onmessage = (event) => { waiting = event.data; show(); };
        source.addEventListener("again", () => { close(); setTimeout(open, 500); });
        source.addEventListener("end", (event) => { close(); if (!one("dialog[open]")) location.href = JSON.parse(event.data); });
        source.onerror = () => { if (source?.readyState === EventSource.CLOSED) { close(); setTimeout(open, 30000); } };
      }
      function close() { source?.close(); source = null; }
      setInterval(show, 700);
      document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
      addEventListener("pagehide", close);
      addEventListener("pageshow", open);
      open();
    }
    function replace(id, html) {
      const old = document.getElementById(id);
      if (!old) return;
      const next = document.createElement("div");
      next.append(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      localTimes(next);
      if (old.innerHTML === next.innerHTML) return;
      const log = one("[data-follow]", old);
      const scrolled = log && log.scrollTop + log.clientHeight < log.scrollHeight - 30 ? log.scrollTop : null;
      const box = one(".map svg", old)?.getAttribute("viewBox");
      old.replaceChildren(...next.childNodes);
      if (scrolled === null) follow(old); else one("[data-follow]", old).scrollTop = scrolled;
      if (box && id === "live") map(box);
    }

    // Forms open above the page they belong to.
    document.addEventListener("click", async (event) => {
      const link = event.target.closest("a[data-dialog]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      let panel = null;
      try { panel = one("#form-panel", await page(link.href)); } catch { panel = null; }
      if (!panel) { location.href = link.href; return; }
      for (const menu of all("details.drop[open]")) menu.open = false;
      const dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", one("h1", panel).textContent);
      dialog.append(panel);
      document.body.append(dialog);
      dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
      dialog.showModal();
      one("input:not([type=hidden]), select, textarea, button", dialog)?.focus();
    });
    document.addEventListener("click", (event) => {
      const close = event.target.closest("dialog [data-close]");
      if (close) { event.preventDefault(); close.closest("dialog").close(); }
    });
    document.addEventListener("submit", async (event) => {
      const form = event.target;
      if (form.matches("[data-upload]")) { event.preventDefault(); upload(form); return; }
      const dialog = form.closest("dialog");
      if (!dialog || event.defaultPrevented) return;
      event.preventDefault();
      const button = one("button", form);
      button.disabled = true;
      const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      settle(await reply.text(), reply.url, reply.redirected, dialog, button);
    });

    // The answer to a form: a mistake is shown where it was made, everything else is a page.
    function settle(text, url, redirected, dialog, button) {
      const fresh = new DOMParser().parseFromString(text, "text/html"), panel = one("#form-panel", fresh);
      if (panel && dialog) { one("#form-panel", dialog).replaceWith(panel); one(".flash", panel)?.focus(); return; }
      if (redirected && !panel) { location.href = url; return; }
      if (dialog) dialog.close();
      document.title = fresh.title;
      one("main").replaceWith(one("main", fresh));
    }

    function upload(form) {
      const request = new XMLHttpRequest();
      const [line, button] = [one(".progress", form), one("button", form)];
      line.hidden = false;
      button.disabled = true;
      request.upload.addEventListener("progress", (event) => {
        const percent = Math.round(100 * event.loaded / event.total);
        one("progress", line).value = percent;
        one("output", line).textContent = percent + " %";
      });
      request.addEventListener("load", () => {
        const moved = new URL(request.responseURL).pathname !== new URL(form.action).pathname;
        settle(request.responseText, request.responseURL, moved, form.closest("dialog"), button);
      });
      request.addEventListener("error", () => { button.disabled = false; line.hidden = true; });
      request.open("POST", form.action);
      request.send(new FormData(form));
    }

    // Rows chosen for one action.
    function choose() {
      const bulk = one("#bulk");
      if (bulk) bulk.classList.toggle("on", all("input[name=ids]").some((box) => box.checked));
    }
    document.addEventListener("change", (event) => {
      if (event.target.matches("[data-all]")) {
        for (const box of all("input[name=ids]")) box.checked = event.target.checked;
      }
      choose();
    });

    // The sections of the wizard as steps; the browser and then the server check each before the next.
    function wizard(form) {
      const steps = all("[data-step]", form), list = one(".wizard-steps", form);
      const [back, next, launch] = [one("[data-back]", form), one("[data-next]", form), one("button.primary", form)];
      let at = Number(form.dataset.wizard) || 0, isBusy = false;
      const said = new Map();
      const complain = (index) => all("input, select, textarea", steps[index]).find((field) => !field.checkValidity());
      // Whether the step holds; doubts are said once, and whoever goes on then has read them.
      async function holds(index) {
        const field = complain(index);
        if (field) { at = index; draw(); field.reportValidity(); return false; }
        let problems = [];
        try {
          const data = new URLSearchParams(new FormData(form));
          data.set("step", index);
          const reply = await fetch("/project/launch/check", { method: "POST", body: data });
          if (reply.ok) problems = (await reply.json()).problems;
        } catch { /* Launching itself will say it. */ }
        const text = problems.map((problem) => problem.text).join("\n");
        const isNew = said.get(index) !== text;
        said.set(index, text);
        one(".problems", steps[index])?.remove();
        if (problems.length) {
          const box = document.createElement("div");
          box.className = "problems";
          box.setAttribute("role", "alert");
          for (const problem of problems) {
            const line = document.createElement("p");
            line.className = "flash " + (problem.doubt ? "doubt" : "bad");
            line.textContent = problem.text;
            box.append(line);
          }
          one("h2", steps[index]).after(box);
        }
        if (problems.every((problem) => problem.doubt) && !(text && isNew)) return true;
        at = index;
        draw();
        return false;
      }
      async function show(index) {
        if (isBusy) return false;
        isBusy = true;
        try {
          for (let step = at; step < index; step++) if (!await holds(step)) return false;
        } finally { isBusy = false; }
        at = index;
        draw();
        return true;
      }
      function draw() {
        steps.forEach((step, index) => { step.hidden = index !== at; });
        all("button", list).forEach((button, index) => {
          if (index === at) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
        });
        back.hidden = at === 0;
        next.hidden = at === steps.length - 1;
      }
      steps.forEach((step, index) => {
        const item = document.createElement("li"), button = document.createElement("button");
        button.type = "button";
        button.textContent = (index + 1) + " " + one("h2", step).textContent;
        button.addEventListener("click", () => show(index));
        item.append(button);
        list.append(item);
      });
      list.hidden = false;
      back.addEventListener("click", () => show(at - 1));
      next.addEventListener("click", () => show(at + 1));
      launch.addEventListener("click", (event) => {
        const wrong = steps.findIndex((_, index) => complain(index));
        if (wrong >= 0) { event.preventDefault(); at = wrong; draw(); complain(wrong).reportValidity(); }
      });
      // Enter in a field goes on instead of launching half an order.
      form.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.target.tagName !== "INPUT" || at === steps.length - 1) return;
        event.preventDefault();
        show(at + 1);
      });
      // A key pair that was made in another tab is there when its maker comes back.
      document.addEventListener("visibilitychange", async () => {
        const select = one("select[name=key]", form);
        if (document.hidden || !select) return;
        const fresh = one("select[name=key]", (await page("/project/launch")) ?? document);
        if (!fresh || fresh === select || fresh.options.length === select.options.length) return;
        const known = new Set([...select.options].map((option) => option.value));
        const added = [...fresh.options].find((option) => !known.has(option.value));
        const value = added?.value ?? select.value;
        select.replaceChildren(...fresh.options);
        select.value = value;
      });
      draw();
    }

    // The map of the networks: wheel and buttons zoom, dragging moves.
    function map(box) {
      const svg = one(".map svg");
      if (!svg) return;
      svg.parentElement.classList.add("grab");
      const whole = svg.viewBox.baseVal, start = [whole.x, whole.y, whole.width, whole.height];
      if (box) svg.setAttribute("viewBox", box);
      const get = () => svg.getAttribute("viewBox").split(" ").map(Number);
      const set = (values) => svg.setAttribute("viewBox", values.map((value) => value.toFixed(1)).join(" "));
      function zoom(factor, px = .5, py = .5) {
        const [x, y, width, height] = get();
        set([x + width * px * (1 - factor), y + height * py * (1 - factor), width * factor, height * factor]);
      }
      svg.addEventListener("wheel", (event) => {
        event.preventDefault();
        const area = svg.getBoundingClientRect();
        zoom(event.deltaY > 0 ? 1.12 : .89, (event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height);
      }, { passive: false });
      let from = null;
      svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY, get(), false]; });
      svg.addEventListener("pointermove", (event) => {
        if (!from || !event.buttons) return;
        const [x, y, width, height] = from[2], area = svg.getBoundingClientRect();
        const scale = Math.max(width / area.width, height / area.height);
        const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
        if (Math.abs(dx) + Math.abs(dy) > 5) from[3] = true;
        if (from[3]) set([x - dx * scale, y - dy * scale, width, height]);
      });
      svg.addEventListener("click", (event) => { if (from?.[3]) event.preventDefault(); from = null; }, true);
      for (const button of all("[data-zoom]")) {
        button.hidden = false;
        button.onclick = () => button.dataset.zoom === "fit" ? set(start) : zoom(button.dataset.zoom === "in" ? .8 : 1.25);
      }
    }

    localTimes(document);
    follow(document);
    choose();
    for (const form of all("[data-wizard]")) wizard(form);
    map();
    watch();
    """#
}
