/// The frame of every page, and the pages before sign-in.
enum LayoutTemplates {
  static let layout = #"""
    <!doctype html>
    <html lang="{{lang}}" data-theme="{{theme}}"{{#zone}} data-zone="{{zone}}"{{/zone}}>
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{{title}} · Martlet</title>
    <link rel="stylesheet" href="{{stylesheet}}">
    <link rel="icon" type="image/svg+xml" href="{{favicon}}">
    <script src="{{script}}" defer></script>
    </head>
    <body{{^who}} class="outside"{{/who}}>
    <a class="skip" href="#main">[[Skip to the content]]</a>
    {{#who}}
    <header class="top">
    <a class="brand" href="/">{{{icon_mark}}}<span>Martlet</span></a>
    <form class="find" action="/search" role="search">
    {{{icon_search}}}
    <input type="search" name="q" value="{{search}}" placeholder="[[Name, id or address]]" aria-label="[[Search everywhere]]">
    </form>
    <details class="drop scope" data-projects>
    <summary>{{{icon_project}}}<span>{{project}}</span></summary>
    <div class="sheet">
    <p class="hint">[[Project]]</p>
    <form method="post" action="/switch">
    <input type="hidden" name="csrf" value="{{csrf}}">
    {{#projects}}<button name="project" value="{{id}}"{{#chosen}} aria-current="true"{{/chosen}}>{{name}}</button>
    {{/projects}}
    </form>
    </div>
    </details>
    <details class="drop">
    <summary>{{{icon_user}}}<span>{{name}}</span></summary>
    <div class="sheet">
    <p class="hint">{{name}} · {{domain}}</p>
    {{>preferences}}
    <a href="/settings">[[Settings]]</a>
    <form method="post" action="/sign-out"><input type="hidden" name="csrf" value="{{csrf}}">
    <button>[[Sign out]]</button></form>
    </div>
    </details>
    </header>
    <input type="checkbox" id="nav-toggle" class="nav-toggle" aria-label="[[Menu]]">
    <label for="nav-toggle" class="nav-button">{{{icon_menu}}}<span>[[Menu]]</span></label>
    <nav class="side" aria-label="[[Menu]]">
    {{#menu}}
    <details{{#open}} open{{/open}}><summary>{{title}}</summary>
    <ul>
    {{#items}}
    <li{{#gap}} class="gap"{{/gap}}><a href="{{href}}"{{#active}} aria-current="page"{{/active}}>{{{icon}}}<span>{{title}}</span></a></li>
    {{/items}}
    </ul></details>
    {{/menu}}
    </nav>
    {{/who}}
    <main id="main">
    {{#flash}}<p class="flash {{tone}}" role="status">{{text}}</p>{{/flash}}
    {{>*content}}
    </main>
    {{^who}}<footer class="outside-foot">{{>preferences}}</footer>{{/who}}
    </body>
    </html>
    """#

  static let preferences = #"""
    <form method="post" action="/preferences" class="preferences">
    <input type="hidden" name="csrf" value="{{csrf}}"><input type="hidden" name="next" value="{{here}}">
    <label>[[Language]] <select name="language">{{#languages}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/languages}}</select></label>
    <label>[[Look]] <select name="theme">{{#themes}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/themes}}</select></label>
    <button>[[Apply]]</button>
    </form>
    """#

  static let signIn = #"""
    <div class="sign-in card">
    <div class="sign-in-mark">{{{icon_mark}}}</div>
    <h1>[[Sign in to Martlet]]</h1>
    {{#error}}<p class="flash bad" role="alert">{{error}}</p>{{/error}}
    <form method="post" action="/sign-in">
    <input type="hidden" name="csrf" value="{{csrf}}"><input type="hidden" name="next" value="{{next}}">
    <label>[[User]]<input name="user" value="{{user}}" autocomplete="username" required autofocus></label>
    <label>[[Password]]<input type="password" name="password" autocomplete="current-password" required></label>
    <div class="pair">
    <label>[[Domain]]<input name="domain" value="{{domain}}"></label>
    <label>[[Project]]<input name="project" value="{{project}}" placeholder="[[the first of yours]]"></label>
    </div>
    <button class="primary">[[Sign in]]</button>
    </form>
    </div>
    """#

  static let message = #"""
    <div class="card quiet-page">
    <h1>{{title}}</h1>
    <p>{{message}}</p>
    <p><a class="button" href="/">[[Back to the overview]]</a></p>
    </div>
    """#
}
