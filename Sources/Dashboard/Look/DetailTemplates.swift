/// The page of one resource, and forms.
enum DetailTemplates {
  static let detail = #"""
    <p class="path"><a href="{{list}}">{{listTitle}}</a></p>
    <div class="head">
    <h1>{{title}}</h1>
    {{#status}}<span id="live-status">{{{status}}}</span>{{/status}}
    <div class="tools">
    {{#hasMenu}}<details class="drop"><summary class="button primary">[[Actions]]</summary>
    <div class="sheet">{{{actions}}}</div></details>{{/hasMenu}}
    </div>
    </div>
    <form id="act" method="post"><input type="hidden" name="csrf" value="{{csrf}}"></form>
    {{#hasTabs}}<nav class="tabs" aria-label="{{title}}">{{#tabs}}<a href="{{href}}"{{#chosen}} aria-current="page"{{/chosen}}>{{title}}</a>
    {{/tabs}}</nav>{{/hasTabs}}
    <div id="live"{{#live}} data-live{{/live}} class="blocks">{{>detail-live}}</div>
    """#

  static let detailLive = #"""
    {{#blocks}}
    <section class="card block{{#log}} wide{{/log}}{{#frame}} wide{{/frame}}{{#table}} wide{{/table}}">
    <h2>{{title}}</h2>
    {{#note}}<p class="note">{{{note}}}</p>{{/note}}
    {{#hasFacts}}<dl>{{/hasFacts}}
    {{#facts}}<div><dt>{{label}}</dt><dd>{{{cell}}}</dd></div>{{/facts}}
    {{#hasFacts}}</dl>{{/hasFacts}}
    {{#table}}
    {{#isEmpty}}<p class="hint">{{empty}}</p>{{/isEmpty}}
    {{^isEmpty}}<div class="scroll"><table class="list"><thead><tr>{{#headings}}<th scope="col">{{.}}</th>{{/headings}}
    <th><span class="unseen">[[Actions]]</span></th></tr></thead>
    <tbody>{{#rows}}<tr>{{#cells}}<td>{{{.}}}</td>{{/cells}}<td class="act">{{#action}}<a href="{{href}}"
    class="button small danger" data-dialog>{{title}}</a>{{/action}}</td></tr>
    {{/rows}}</tbody></table></div>{{/isEmpty}}
    {{/table}}
    {{#frame}}<iframe class="screen" src="{{frame}}" title="{{title}}" allow="fullscreen; clipboard-read"></iframe>
    <p class="links"><a class="button small" href="{{frame}}" target="_blank" rel="noopener">[[In a window of its own]]</a></p>{{/frame}}
    {{#log}}<pre class="log" tabindex="0" data-follow>{{log}}</pre>{{/log}}
    {{#hasLinks}}<p class="links">{{#links}}<a class="button small" href="{{href}}" data-dialog>{{title}}</a>{{/links}}</p>
    {{/hasLinks}}
    </section>
    {{/blocks}}
    """#

  static let form = #"""
    <div class="form-page card" id="form-panel">
    <h1>{{title}}</h1>
    {{#error}}<p class="flash bad" role="alert">{{error}}</p>{{/error}}
    {{#many}}<p>[[Chosen rows]]: {{many}}</p>{{/many}}
    {{#asks}}<p>{{confirm}}</p>{{/asks}}
    <form method="post" action="{{action}}"{{#isUpload}} enctype="multipart/form-data" data-upload{{/isUpload}}>
    <input type="hidden" name="csrf" value="{{csrf}}"><input type="hidden" name="confirmed" value="yes">
    {{#ids}}<input type="hidden" name="ids" value="{{.}}">{{/ids}}
    {{#fields}}{{>field}}{{/fields}}
    <p class="progress" hidden><progress max="100" value="0" aria-label="[[Progress]]"></progress> <output></output></p>
    <p class="buttons"><button class="{{style}}">{{button}}</button>
    <a class="button plain" href="{{back}}" data-close>[[Cancel]]</a></p>
    </form>
    </div>
    """#

  static let field = #"""
    {{#hidden}}<input type="hidden" name="{{name}}" value="{{value}}">{{/hidden}}
    {{^hidden}}
    {{#check}}<label class="check"><input type="checkbox" name="{{name}}" value="yes"{{#checked}} checked{{/checked}}>
    <span>{{label}}</span></label>{{/check}}
    {{#many}}<fieldset><legend>{{label}}</legend>
    {{#none}}<p class="hint">[[There is none.]]</p>{{/none}}
    {{#options}}<label class="check"><input type="checkbox" name="{{name}}" value="{{value}}"{{#chosen}} checked{{/chosen}}>
    <span>{{label}}</span></label>{{/options}}</fieldset>{{/many}}
    {{#isBox}}<label><span>{{label}}{{#required}} <b class="must" aria-hidden="true">*</b>{{/required}}</span>
    {{#text}}<input name="{{name}}" value="{{value}}"{{#required}} required{{/required}}>{{/text}}
    {{#number}}<input type="number" name="{{name}}" value="{{value}}"{{#required}} required{{/required}}>{{/number}}
    {{#password}}<input type="password" name="{{name}}" autocomplete="new-password"{{#required}} required{{/required}}>
    {{/password}}
    {{#area}}<textarea name="{{name}}" rows="5" spellcheck="false"{{#required}} required{{/required}}>
    {{value}}</textarea>{{/area}}
    {{#file}}<input type="file" name="{{name}}"{{#required}} required{{/required}}>{{/file}}
    {{#select}}<select name="{{name}}"{{#required}} required{{/required}}>{{#options}}
    <option value="{{value}}"{{#chosen}} selected{{/chosen}}>{{label}}</option>{{/options}}</select>{{/select}}
    </label>{{/isBox}}
    {{#hasHelp}}<p class="hint">{{help}}</p>{{/hasHelp}}
    {{/hidden}}
    """#

  static let secret = #"""
    <div class="form-page card">
    <h1>{{title}}</h1>
    <p>{{explanation}}</p>
    <label>{{file}}<textarea rows="14" readonly spellcheck="false" class="mono">
    {{text}}</textarea></label>
    <p class="buttons"><a class="button primary" download="{{file}}" href="{{data}}">[[Download]]</a>
    <a class="button plain" href="{{back}}">[[Done]]</a></p>
    </div>
    """#
}
