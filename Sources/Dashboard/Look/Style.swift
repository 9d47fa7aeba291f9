/// The one style sheet.
enum Style {
  static let base = #"""
    :root {
      color-scheme: light;
      --ground: #f5f6f8; --surface: #ffffff; --raised: #ffffff; --line: #e2e5ea; --soft: #eef0f4;
      --ink: #1b2330; --quiet: #596375; --accent: #2459d3; --accent-ink: #ffffff; --accent-soft: #e8effd;
      --good: #0f7347; --good-soft: #e0f4e9; --busy: #855a00; --busy-soft: #fcf0d3; --bad: #b4232c; --bad-soft: #fde8e8;
      --off: #566073; --off-soft: #e9ecf1; --shadow: 0 1px 2px rgb(20 30 50 / 6%), 0 4px 14px rgb(20 30 50 / 5%);
    }
    html[data-theme="dark"] {
      color-scheme: dark;
      --ground: #10141b; --surface: #171d26; --raised: #1e2632; --line: #2a3442; --soft: #212a36;
      --ink: #e6ebf2; --quiet: #a0acbd; --accent: #82aaff; --accent-ink: #0d1a33; --accent-soft: #1f2e4d;
      --good: #6fd6a2; --good-soft: #14352a; --busy: #f0c265; --busy-soft: #3a2f16; --bad: #ff9a9a; --bad-soft: #43201f;
      --off: #a9b4c4; --off-soft: #2a3340; --shadow: 0 1px 2px rgb(0 0 0 / 30%), 0 6px 18px rgb(0 0 0 / 22%);
    }
    @media (prefers-color-scheme: dark) {
      html[data-theme="auto"] {
        color-scheme: dark;
        --ground: #10141b; --surface: #171d26; --raised: #1e2632; --line: #2a3442; --soft: #212a36;
        --ink: #e6ebf2; --quiet: #a0acbd; --accent: #82aaff; --accent-ink: #0d1a33; --accent-soft: #1f2e4d;
        --good: #6fd6a2; --good-soft: #14352a; --busy: #f0c265; --busy-soft: #3a2f16; --bad: #ff9a9a;
        --bad-soft: #43201f; --off: #a9b4c4; --off-soft: #2a3340;
        --shadow: 0 1px 2px rgb(0 0 0 / 30%), 0 6px 18px rgb(0 0 0 / 22%);
      }
    }
    *, *::before, *::after { box-sizing: border-box; }
    [hidden] { display: none !important; }
    body {
      margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.5 system-ui, "Segoe UI", Roboto,
        "Noto Sans", "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif;
      display: grid; grid-template: auto 1fr / 232px minmax(0, 1fr); min-height: 100vh;
    }
    body.outside { display: grid; grid-template: 1fr auto / 1fr; place-items: center; }
    a { color: var(--accent); text-decoration: none; }
    a:hover { text-decoration: underline; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
    h1 { font-size: 22px; line-height: 1.25; font-weight: 650; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
    h2 { font-size: 14px; font-weight: 650; margin: 0 0 12px; }
    p { margin: 0 0 12px; }
    code, .mono, pre { font: 12.5px/1.5 ui-monospace, "SF Mono", "DejaVu Sans Mono", Consolas, monospace; }
    code { overflow-wrap: anywhere; }
    .icon { width: 17px; height: 17px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.7;
      stroke-linecap: round; stroke-linejoin: round; }
    .mark { width: 26px; height: 26px; fill: var(--accent); flex: none; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    .skip { position: absolute; left: -999px; top: 8px; background: var(--raised); padding: 8px 14px; z-index: 20; }
    .skip:focus { left: 8px; }
    .hint { color: var(--quiet); font-size: 13px; }
    .card { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow);
      padding: 18px 20px; margin-bottom: 16px; }
    .head { display: flex; align-items: center; gap: 12px; flex-wrap: wrap; margin-bottom: 16px; min-height: 36px; }
    .tools { margin-left: auto; display: flex; gap: 8px; flex-wrap: wrap; }
    .path { margin: 0 0 2px; font-size: 13px; }

    """#

  static let parts = #"""
    .top { grid-column: 1 / -1; display: flex; align-items: center; gap: 10px; height: 54px; padding: 0 18px;
      background: var(--surface); border-bottom: 1px solid var(--line); position: sticky; top: 0; z-index: 10; }
    .brand { display: flex; align-items: center; gap: 9px; width: 214px; color: var(--ink); font-weight: 680;
      font-size: 16px; letter-spacing: -.01em; }
    .brand:hover { text-decoration: none; }
    .find { position: relative; flex: 1; max-width: 460px; margin: 0 auto 0 6px; }
    .find .icon { position: absolute; left: 10px; top: 9px; color: var(--quiet); }
    .find input { width: 100%; padding-left: 34px; background: var(--soft); border-color: transparent; }
    .side { padding: 14px 10px 30px; border-right: 1px solid var(--line); background: var(--surface);
      position: sticky; top: 54px; align-self: start; height: calc(100vh - 54px); overflow-y: auto; }
    .side, .sheet { scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
    .side summary { font-size: 12px; color: var(--quiet); font-weight: 600; padding: 7px 10px 5px; cursor: pointer;
      list-style: none; display: flex; align-items: center; gap: 6px; border-radius: 7px; }
    .side summary::-webkit-details-marker { display: none; } .side summary:hover { color: var(--ink); }
    .side summary::after { content: ""; width: 6px; height: 6px; margin-left: auto; border: solid currentColor;
      border-width: 0 1.5px 1.5px 0; transform: rotate(-45deg); }
    .side details[open] > summary::after { transform: rotate(45deg); }
    .side details { margin-bottom: 6px; } .side li.gap { margin-top: 9px; }
    .side ul { list-style: none; margin: 0; padding: 0; }
    .side li a { display: flex; gap: 10px; align-items: center; padding: 6px 10px; border-radius: 7px; color: var(--ink); }
    .side li a:hover { background: var(--soft); text-decoration: none; }
    .side li a[aria-current] { background: var(--accent-soft); color: var(--accent); font-weight: 600; }
    .side .icon { color: var(--quiet); }
    .side a[aria-current] .icon { color: inherit; }
    main { padding: 24px 28px 60px; min-width: 0; }
    .nav-toggle, .nav-button { display: none; }
    button, .button { display: inline-flex; align-items: center; gap: 6px; border: 1px solid var(--line);
      background: var(--raised); color: var(--ink); font: inherit; font-weight: 550; padding: 6px 13px; border-radius: 7px;
      cursor: pointer; line-height: 1.45; white-space: nowrap; }
    button:hover, .button:hover { background: var(--soft); text-decoration: none; }
    button.primary, .button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); }
    button.primary:hover, .button.primary:hover { filter: brightness(1.08); }
    button.danger, .button.danger { color: var(--bad); }
    .small { padding: 3px 10px; font-size: 13px; }
    input, select, textarea { font: inherit; color: var(--ink); background: var(--raised); border: 1px solid var(--line);
      border-radius: 7px; padding: 6px 10px; max-width: 100%; }
    .filters input, .filters select, .filters button, .filters .button { height: 36px; }
    input:not([type=checkbox], [type=radio]):hover, select:hover, textarea:hover { border-color: var(--quiet); }
    input[type=checkbox], input[type=radio] { accent-color: var(--accent); width: 16px; height: 16px; margin: 0; }
    textarea { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; resize: vertical; }
    .drop { position: relative; }
    .drop > summary { list-style: none; cursor: pointer; display: inline-flex; gap: 8px; align-items: center;
      padding: 6px 11px; border-radius: 7px; }
    .drop > summary::-webkit-details-marker { display: none; }
    .drop > summary:not(.button):hover, .drop[open] > summary:not(.button) { background: var(--soft); }
    .top .drop > summary span { max-width: 180px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .sheet { position: absolute; right: 0; top: calc(100% + 4px); min-width: 210px; max-height: 70vh; overflow: auto;
      background: var(--raised); border: 1px solid var(--line); border-radius: 10px; padding: 6px; z-index: 15;
      box-shadow: 0 8px 28px rgb(10 20 40 / 22%); }
    .sheet form { margin: 0; }
    .sheet .hint { padding: 4px 10px; margin: 0; }
    .sheet a, .sheet > button, .sheet form:not(.preferences) button { display: block; width: 100%; text-align: left; border: 0;
      background: none; color: var(--ink); padding: 6px 10px; border-radius: 6px; font-weight: 450; }
    .sheet a:hover, .sheet > button:hover, .sheet form:not(.preferences) button:hover { background: var(--soft); text-decoration: none; }
    .sheet a.danger, .sheet > button.danger, .sheet form:not(.preferences) button.danger { color: var(--bad); }
    .sheet button[aria-current] { color: var(--accent); font-weight: 600; }
    .preferences { padding: 8px 10px; display: grid; gap: 8px; border-block: 1px solid var(--line); margin: 6px 0 !important; }
    .preferences label { display: flex; justify-content: space-between; align-items: center; gap: 10px; }
    .outside-foot { padding: 16px; } .outside-foot .preferences { display: flex; align-items: center; border: 0; color: var(--quiet); }
    .outside-foot .preferences label { margin: 0; font-weight: 450; }
    .flash { border-radius: 8px; padding: 9px 14px; margin: 0 0 16px; border: 1px solid transparent; overflow-wrap: anywhere; }
    .flash.good { background: var(--good-soft); color: var(--good); }
    .flash.doubt { background: var(--busy-soft); color: var(--busy); } .problems .flash { margin-bottom: 8px; }
    .flash.bad { background: var(--bad-soft); color: var(--bad); }
    .state { display: inline-flex; align-items: center; gap: 6px; padding: 1px 9px 1px 8px; border-radius: 20px;
      font-size: 12.5px; font-weight: 550; white-space: nowrap; }
    .state::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: currentColor; flex: none; }
    .state.good { color: var(--good); background: var(--good-soft); } .state.bad { color: var(--bad); background: var(--bad-soft); }
    .state.busy { color: var(--busy); background: var(--busy-soft); } .state.off { color: var(--off); background: var(--off-soft); }
    .state.busy::before { animation: beat 1.1s ease-in-out infinite alternate; }
    @keyframes beat { to { opacity: .25; } }
    @media (prefers-reduced-motion: reduce) { .state.busy::before { animation: none; } }

    """#

  static let pages = #"""
    .scroll { overflow-x: auto; }
    .card.scroll { padding: 0; overflow: visible; }
    table.list { width: 100%; border-collapse: collapse; }
    .list th { text-align: left; font-size: 12.5px; font-weight: 600; color: var(--quiet); padding: 9px 14px;
      border-bottom: 1px solid var(--line); white-space: nowrap; }
    .list th a { color: inherit; }
    .list td { padding: 8px 14px; border-bottom: 1px solid var(--line); vertical-align: middle; overflow-wrap: break-word; }
    .list td:first-child, .list td.tick + td { overflow-wrap: anywhere; min-width: 130px; } .list td.tick { min-width: 0; }
    .list tbody tr:last-child td { border-bottom: 0; }
    .list tbody tr:hover { background: var(--soft); }
    .list .tick { width: 30px; padding-right: 0; } .list .act { width: 60px; text-align: right; padding-block: 3px; }
    .list .act .drop > summary { padding: 2px 10px; font-weight: 700; }
    .list td .line { white-space: nowrap; } .list td .line + .line { margin-top: 2px; }
    .list td code { font-size: 12.5px; overflow-wrap: break-word; } .lines td code { overflow-wrap: anywhere; }
    .list td:first-child a, .list td.tick + td a { font-weight: 600; }
    .list time, .list td strong { white-space: nowrap; }
    .lines td { font-size: 12.5px; padding-block: 4px; vertical-align: top; }
    .filters { display: flex; gap: 10px; flex-wrap: wrap; align-items: end; margin-bottom: 14px; }
    .filters label { display: grid; gap: 3px; } .filters label span { font-size: 12.5px; color: var(--quiet); }
    .bulk { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin-bottom: 12px; }
    .bulk-label { color: var(--quiet); font-size: 13px; }
    .js .bulk:not(.on) { display: none; }
    .pages { display: flex; gap: 8px; margin: 4px 0; }
    .empty { text-align: center; padding: 48px 20px; color: var(--quiet); font-size: 15px; }
    .blocks { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 16px; }
    .blocks .card { margin: 0; } .block.wide { grid-column: 1 / -1; }
    .block .list th, .block .list td { padding-inline: 8px; }
    dl { margin: 0; display: grid; gap: 7px; }
    dl > div { display: grid; grid-template-columns: minmax(110px, 34%) 1fr; gap: 12px; }
    dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
    .log { background: #0f141c; color: #d6deea; border-radius: 8px; padding: 14px; margin: 0; max-height: 420px;
      overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
    .tabs { display: flex; gap: 4px; flex-wrap: wrap; margin-bottom: 16px; border-bottom: 1px solid var(--line); }
    .tabs a { padding: 7px 12px; color: var(--quiet); border-bottom: 2px solid transparent; margin-bottom: -1px; }
    .tabs a:hover { text-decoration: none; color: var(--ink); }
    .tabs a[aria-current] { color: var(--accent); border-color: var(--accent); font-weight: 600; }
    .screen { display: block; width: 100%; height: min(68vh, 860px); border: 0; border-radius: 8px; background: #0b0f15; }
    .block.wide .log { max-height: 64vh; }
    .links { margin: 12px 0 0; display: flex; gap: 8px; flex-wrap: wrap; }
    .form-page { max-width: 640px; margin: 0 auto; }
    .form-page h1 { margin-bottom: 14px; }
    form > label:not(.check), .wizard section > label:not(.check), .form-page label:not(.check), .pair label {
      display: grid; gap: 4px; margin-bottom: 12px; font-weight: 550; }
    .filters label { font-weight: 450 !important; margin: 0 !important; }
    .form-page input:not([type=checkbox]), .form-page select, .form-page textarea, .sign-in input,
    .wizard label:not(.check) > input, .wizard select, .wizard textarea { width: 100%; font-weight: 450; }
    .check { display: flex; gap: 9px; align-items: center; margin-bottom: 8px; }
    fieldset { border: 1px solid var(--line); border-radius: 8px; margin: 0 0 12px; padding: 10px 14px 4px; }
    legend { font-weight: 550; padding: 0 6px; }
    .must { color: var(--bad); }
    label + .hint, fieldset + .hint { margin-top: -6px; }
    .buttons { display: flex; gap: 8px; margin: 18px 0 0; }
    dialog { border: 0; padding: 0; border-radius: 12px; width: min(640px, 94vw); max-height: 90vh; background: var(--surface);
      color: var(--ink); box-shadow: 0 20px 60px rgb(0 0 0 / 35%); }
    dialog::backdrop { background: rgb(10 16 28 / 50%); }
    dialog .card { border: 0; margin: 0; box-shadow: none; padding: 22px 24px; }
    .sign-in { width: min(400px, 92vw); padding: 28px 30px; margin: 0; }
    .sign-in-mark .mark { width: 40px; height: 40px; } .sign-in h1 { margin: 6px 0 18px; }
    .sign-in form > .primary { width: 100%; justify-content: center; margin-top: 6px; padding: 8px; }
    .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
    .quiet-page { max-width: 560px; margin: 40px auto; } .quiet-page h1 { margin-bottom: 10px; }
    .gauges { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 12px; }
    .gauge { text-align: center; } .gauge p { margin: 2px 0 0; font-size: 13px; color: var(--quiet); }
    .gauge svg { width: 104px; height: 104px; fill: none; }
    .gauge .ring { stroke: var(--soft); stroke-width: 9; }
    .gauge .fill { stroke: var(--accent); stroke-width: 9; stroke-linecap: butt; }
    .gauge.tight .fill { stroke: #c98a00; } .gauge.full .fill { stroke: var(--bad); }
    .gauge .number { fill: var(--ink); font-size: 23px; font-weight: 650; text-anchor: middle; }
    .gauge .of { fill: var(--quiet); font-size: 12px; text-anchor: middle; }
    .steps ol { margin: 0; padding-left: 22px; columns: 2 300px; } .steps li { padding: 3px 0; }
    .steps .done { text-decoration: line-through; } .steps .done a { color: var(--quiet); }
    .hits { margin: 0; padding: 0; list-style: none; display: grid; gap: 6px; } .hits a { text-decoration: underline; }
    .hits code { color: var(--quiet); }
    .inline { display: flex; gap: 8px; }
    .wizard { max-width: 1060px; } .wizard section { margin-bottom: 26px; }
    .wizard section > h2 { font-size: 17px; margin-bottom: 6px; }
    .pick td, .pick th { padding-inline: 8px; } .pick label { font-weight: 550; } .doubtful label { color: var(--quiet); }
    .pick { margin-bottom: 14px; }
    .wizard-steps { list-style: none; padding: 0; margin: 0 0 20px; display: flex; gap: 4px; flex-wrap: wrap;
      border-bottom: 1px solid var(--line); }
    .wizard-steps button { border: 0; background: none; border-radius: 0; padding: 7px 9px; font-size: 13px; color: var(--quiet);
      border-bottom: 2px solid transparent; }
    .wizard-steps button[aria-current] { color: var(--accent); border-color: var(--accent); }
    .map { padding: 0; overflow: hidden; } .map svg { display: block; width: 100%; height: auto; max-height: 78vh; }
    .map.grab svg { cursor: grab; touch-action: none; height: 72vh; }
    .map a:hover { text-decoration: none; } .map a:focus-visible rect { stroke-width: 3; }
    .map .box { fill: var(--surface); stroke: var(--line); } .map .name { fill: var(--ink); }
    .map .small-text { fill: var(--quiet); } .map .icon-line { stroke: var(--accent); }
    progress { width: 240px; accent-color: var(--accent); }
    @media (max-width: 860px) {
      body { grid-template: auto auto 1fr / minmax(0, 1fr); }
      .brand { width: auto; } .brand span, .top .drop > summary span { display: none; }
      .nav-button { display: flex; gap: 8px; padding: 10px 18px; background: var(--surface); border-bottom: 1px solid var(--line); }
      .side { display: none; position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
      .nav-toggle:checked ~ .side { display: block; }
      main { padding: 16px 14px 40px; } .card.scroll { overflow-x: auto; }
      .nav-toggle { display: block; position: absolute; opacity: 0; }
      .nav-toggle:focus-visible + .nav-button { outline: 2px solid var(--accent); }
    }

    """#
}
