/// The launch wizard: one form whose sections a script turns into steps.
enum LaunchTemplate {
  static let launch = #"""
    <div class="head"><h1>{{title}}</h1></div>
    {{#error}}<p class="flash bad" role="alert">{{error}}</p>{{/error}}
    <form method="post" action="/project/launch" class="wizard card" data-wizard="{{step}}">
    <input type="hidden" name="csrf" value="{{csrf}}">
    <ol class="wizard-steps" hidden></ol>
    <section data-step><h2>[[Details]]</h2>
    {{#details}}{{>field}}{{/details}}
    </section>
    <section data-step><h2>[[Source]]</h2>
    <p class="hint">[[What the instance boots from.]]</p>
    {{^hasSources}}<p class="flash bad">[[There is no image yet.]] <a href="/project/images/-/create">[[Upload image]]</a></p>
    {{/hasSources}}
    <table class="list pick"><tbody>
    {{#sources}}<tr><td class="tick"><input type="radio" name="source" value="{{value}}" id="s-{{value}}" required
    {{#chosen}}checked{{/chosen}}></td><td><label for="s-{{value}}">{{name}}</label></td><td>{{kind}}</td><td>{{size}}</td>
    </tr>{{/sources}}
    </tbody></table>
    {{#volumeFields}}{{>field}}{{/volumeFields}}
    </section>
    <section data-step><h2>[[Flavor]]</h2>
    <p class="hint">[[How large it is.]]</p>
    <div class="scroll"><table class="list pick"><thead><tr><th></th><th>[[Name]]</th><th>VCPU</th><th>[[Memory]]</th>
    <th>[[Disk]]</th><th></th></tr></thead><tbody>
    {{#flavors}}<tr{{#warning}} class="doubtful"{{/warning}}><td class="tick"><input type="radio" name="flavor"
    value="{{id}}" id="f-{{id}}" required{{#chosen}} checked{{/chosen}}></td>
    <td><label for="f-{{id}}">{{name}}</label></td><td>{{vcpus}}</td><td>{{memory}}</td><td>{{disk}}</td>
    <td>{{#warning}}<span class="state bad">{{warning}}</span>{{/warning}}</td></tr>{{/flavors}}
    </tbody></table></div>
    </section>
    <section data-step><h2>[[Networks]]</h2>
    <p class="hint">[[Choose one or more networks, or ports that exist.]]</p>
    {{#networks}}{{>field}}{{/networks}}
    </section>
    <section data-step><h2>[[Security groups]]</h2>
    <p class="hint">[[Which traffic reaches it.]]</p>
    {{#groups}}{{>field}}{{/groups}}
    </section>
    <section data-step><h2>[[Key pair]]</h2>
    <p class="hint">[[The key that opens SSH.]]</p>
    {{#keys}}{{>field}}{{/keys}}
    <p><a href="/project/key-pairs/-/create" target="_blank">[[Create a key pair in a new tab]]</a></p>
    </section>
    <section data-step><h2>[[Configuration]]</h2>
    {{#configuration}}{{>field}}{{/configuration}}
    </section>
    <section data-step><h2>[[Placement and metadata]]</h2>
    {{#placement}}{{>field}}{{/placement}}
    </section>
    <p class="buttons wizard-buttons"><button type="button" class="plain" data-back hidden>← [[Back]]</button>
    <button type="button" data-next hidden>[[Next]] →</button>
    <button class="primary">[[Launch]]</button>
    <a class="button plain" href="/project/instances">[[Cancel]]</a></p>
    </form>
    """#
}
