/// Pages that are not lists: overview, API access, search, logs and the network topology.
enum PageTemplates {
  static let overview = #"""
    <div class="head"><h1>{{title}}</h1>
    {{#isProject}}<div class="tools"><a class="button primary" href="/project/launch">[[Launch instance]]</a></div>
    {{/isProject}}
    </div>
    {{#isProject}}
    {{#isNew}}
    <section class="card steps"><h2>[[From nothing to an instance]]</h2>
    <ol>
    {{#steps}}<li{{#done}} class="done"{{/done}}><a href="{{href}}">{{title}}</a></li>{{/steps}}
    </ol></section>
    {{/isNew}}
    {{/isProject}}
    {{#groups}}
    <section class="card"><h2>{{title}}</h2>
    <div class="gauges">
    {{#gauges}}
    <div class="gauge {{tone}}">
    <svg viewBox="0 0 120 120" role="img" aria-label="{{title}}: {{used}} / {{limit}}">
    <circle cx="60" cy="60" r="50" class="ring"/><circle cx="60" cy="60" r="50" class="fill" pathLength="100"
    stroke-dasharray="{{percent}} 100" transform="rotate(-90 60 60)"/>
    <text x="60" y="60" class="number">{{used}}</text><text x="60" y="80" class="of">{{ofLimit}}</text></svg>
    <p>{{title}}</p></div>
    {{/gauges}}
    </div></section>
    {{/groups}}
    {{#hasUsage}}
    <section class="card"><h2>[[Usage of the last 30 days, by project]]</h2>
    <div class="scroll"><table class="list"><thead><tr><th>[[Project]]</th><th>[[Instances]]</th><th>[[VCPU hours]]</th>
    <th>[[GB hours of memory]]</th><th>[[GB hours of disk]]</th></tr></thead><tbody>
    {{#usage}}<tr><td>{{project}}</td><td>{{servers}}</td><td>{{vcpus}}</td><td>{{memory}}</td><td>{{disk}}</td></tr>
    {{/usage}}
    </tbody></table></div></section>
    {{/hasUsage}}
    {{#hasSystem}}
    <section class="card"><h2>[[Services]]</h2>
    <div class="scroll"><table class="list"><thead><tr><th>[[Service]]</th><th>[[Type]]</th><th>URL</th></tr></thead><tbody>
    {{#system}}<tr><td>{{name}}</td><td>{{type}}</td><td><code>{{url}}</code></td></tr>{{/system}}
    </tbody></table></div></section>
    {{/hasSystem}}
    """#

  static let settings = #"""
    <div class="form-page card">
    <h1>{{title}}</h1>
    <form method="post" action="/preferences">
    <input type="hidden" name="csrf" value="{{csrf}}"><input type="hidden" name="next" value="/settings">
    <label>[[Language]] <select name="language">{{#languages}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/languages}}</select></label>
    <label>[[Look]] <select name="theme">{{#themes}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/themes}}</select></label>
    <label>[[Time zone]] <select name="zone">{{#zones}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/zones}}</select></label>
    <label>[[Rows on a page]] <select name="rows">{{#rows}}
    <option value="{{id}}"{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/rows}}</select></label>
    <p class="buttons"><button class="primary">[[Apply]]</button></p>
    </form>
    </div>
    """#

  static let access = #"""
    <div class="head"><h1>{{title}}</h1>
    <div class="tools"><a class="button" href="/project/access/openrc">[[Download openrc]]</a>
    <a class="button" href="/project/access/clouds.yaml">[[Download clouds.yaml]]</a></div></div>
    <section class="card"><h2>[[How to use them]]</h2>
    <pre class="log short">source {{project}}-openrc.sh
    openstack server list</pre>
    <p class="hint">[[Both files ask for your password; neither holds it.]]</p></section>
    <section class="card"><h2>[[Endpoints]]</h2>
    <div class="scroll"><table class="list"><thead><tr><th>[[Service]]</th><th>URL</th></tr></thead><tbody>
    {{#endpoints}}<tr><td>{{service}}</td><td><code>{{url}}</code></td></tr>{{/endpoints}}
    </tbody></table></div></section>
    """#

  static let search = #"""
    <div class="head"><h1>{{title}}</h1></div>
    {{#asked}}
    {{#nothing}}<div class="empty card"><p>[[Nothing has this name, id or address.]]</p></div>{{/nothing}}
    {{#groups}}
    <section class="card"><h2>{{title}}</h2><ul class="hits">
    {{#hits}}<li><a href="{{href}}">{{name}}</a> <code>{{id}}</code> <span class="hint">{{why}}</span></li>{{/hits}}
    </ul></section>
    {{/groups}}
    {{/asked}}
    {{^asked}}<div class="empty card"><p>[[Type a name, the beginning of an id, or an address.]]</p></div>{{/asked}}
    """#

  static let logs = #"""
    <div class="head"><h1>{{title}}</h1></div>
    <form class="filters" action="/admin/logs">
    <label><span>[[Service]]</span><select name="service"><option value="">[[any]]</option>
    {{#services}}<option{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/services}}</select></label>
    <label><span>[[At least]]</span><select name="level">
    {{#levels}}<option{{#chosen}} selected{{/chosen}}>{{name}}</option>{{/levels}}</select></label>
    <label><span>[[Contains]]</span><input name="text" value="{{text}}"></label>
    <button>[[Filter]]</button>
    </form>
    <div id="live" data-live>{{>logs-live}}</div>
    <section class="card"><h2>[[How much each service writes]]</h2>
    <div class="scroll"><table class="list"><tbody>
    {{#services}}<tr><td>{{name}}</td><td><form method="post" action="/admin/logs" class="inline">
    <input type="hidden" name="csrf" value="{{csrf}}"><input type="hidden" name="service" value="{{name}}">
    <select name="level" aria-label="{{name}}">{{#options}}<option{{#chosen}} selected{{/chosen}}>{{name}}</option>
    {{/options}}</select><button class="small">[[Apply]]</button></form></td></tr>{{/services}}
    </tbody></table></div></section>
    """#

  static let topology = #"""
    <div class="head"><h1>{{title}}</h1>
    <div class="tools">
    <button class="button" type="button" data-zoom="in" aria-label="[[Zoom in]]" hidden>+</button>
    <button class="button" type="button" data-zoom="out" aria-label="[[Zoom out]]" hidden>−</button>
    <button class="button" type="button" data-zoom="fit" hidden>[[Fit]]</button>
    <a class="button" href="/project/topology.svg" download="topology.svg">[[Export as SVG]]</a></div></div>
    {{#isEmpty}}<div class="empty card"><p>[[There are no networks yet. Create one, and a router that joins it to the outside.]]
    </p><p><a class="button primary" href="/project/networks/-/create">[[Create network]]</a></p></div>{{/isEmpty}}
    {{^isEmpty}}<div id="live" data-live>{{>topology-live}}</div>{{/isEmpty}}
    """#

  static let logsLive = #"""
    <div class="card scroll"><table class="list lines"><thead><tr><th>[[Time]]</th>
    <th>[[Level]]</th><th>[[Service]]</th><th>[[Message]]</th></tr></thead><tbody>
    {{#records}}<tr><td><time datetime="{{time}}">{{time}}</time></td><td><span class="state {{tone}}">{{level}}</span></td>
    <td>{{service}}</td><td><code>{{message}}</code></td></tr>{{/records}}
    </tbody></table></div>
    """#

  static let topologyLive = #"""
    <div class="card map">{{{svg}}}</div>
    """#
}
