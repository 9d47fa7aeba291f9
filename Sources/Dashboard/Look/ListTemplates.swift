/// Lists and the parts that other pages share with them.
enum ListTemplates {
  static let list = #"""
    <div class="head">
    <h1>{{title}}</h1>
    <div class="tools">
    {{#actions}}<a class="button {{style}}" href="{{href}}"{{#isForm}} data-dialog{{/isForm}}>{{title}}</a>{{/actions}}
    </div>
    </div>
    {{#hasFilters}}
    <form class="filters" action="{{panel}}">
    {{#filters}}
    <label><span>{{label}}</span>
    {{#isChoice}}<select name="{{name}}"><option value="">[[any]]</option>
    {{#options}}<option{{#chosen}} selected{{/chosen}}>{{value}}</option>{{/options}}</select>{{/isChoice}}
    {{^isChoice}}<input name="{{name}}" value="{{value}}">{{/isChoice}}
    </label>
    {{/filters}}
    <button>[[Filter]]</button>
    {{#isFiltered}}<a class="button plain" href="{{panel}}">[[Clear]]</a>{{/isFiltered}}
    </form>
    {{/hasFilters}}
    {{#hasBulk}}<form id="bulk" method="post" action="{{panel}}/-/delete" class="bulk">
    <input type="hidden" name="csrf" value="{{csrf}}">
    <span class="bulk-label">[[With the chosen rows:]]</span>
    {{#bulk}}<button formaction="{{panel}}/-/{{id}}" class="small {{style}}">{{title}}</button>{{/bulk}}
    </form>{{/hasBulk}}
    <form id="act" method="post"><input type="hidden" name="csrf" value="{{csrf}}"></form>
    <div id="live"{{#live}} data-live{{/live}}>{{>list-live}}</div>
    """#

  static let listLive = #"""
    {{#isEmpty}}
    <div class="empty card"><p>{{#isFiltered}}[[Nothing fits these filters.]]{{/isFiltered}}
    {{^isFiltered}}{{empty}}{{/isFiltered}}</p>
    {{^isFiltered}}{{#first-step}}<p><a class="button {{style}}" href="{{href}}"{{#isForm}} data-dialog{{/isForm}}>{{title}}</a></p>
    {{/first-step}}{{/isFiltered}}</div>
    {{/isEmpty}}
    {{^isEmpty}}
    <div class="scroll card">
    <table class="list">
    <thead><tr>
    {{#hasBulk}}<th class="tick"><input type="checkbox" data-all aria-label="[[Choose all]]"></th>{{/hasBulk}}
    {{#headings}}<th scope="col"{{#sorted}} aria-sort="{{sorted}}"{{/sorted}}>{{#href}}<a href="{{href}}">{{title}} <span
    class="arrow">{{arrow}}</span></a>{{/href}}{{^href}}{{title}}{{/href}}</th>
    {{/headings}}
    <th scope="col"><span class="unseen">[[Actions]]</span></th>
    </tr></thead>
    <tbody>
    {{#rows}}
    <tr data-id="{{id}}">
    {{#hasBulk}}<td class="tick"><input type="checkbox" form="bulk" name="ids" value="{{id}}" aria-label="{{title}}"></td>
    {{/hasBulk}}
    {{#cells}}<td>{{{.}}}</td>{{/cells}}
    <td class="act">{{#hasMenu}}<details class="drop"><summary aria-label="[[Actions]]: {{title}}">⋯</summary>
    <div class="sheet">{{{actions}}}</div></details>{{/hasMenu}}</td>
    </tr>
    {{/rows}}
    </tbody>
    </table>
    </div>
    {{/isEmpty}}
    <p class="pages">
    {{#first}}<a class="button plain" href="{{first}}">← [[First page]]</a>{{/first}}
    {{#next}}<a class="button plain" href="{{next}}">[[Next page]] →</a>{{/next}}
    </p>
    """#
}
