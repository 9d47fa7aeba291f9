import Mustache

/// All templates, compiled at the first use of each language.
enum Templates {
  static let sources: [String: String] = [
    "layout": LayoutTemplates.layout, "sign-in": LayoutTemplates.signIn, "message": LayoutTemplates.message,
    "preferences": LayoutTemplates.preferences,
    "list": ListTemplates.list,
    "detail": DetailTemplates.detail, "form": DetailTemplates.form, "field": DetailTemplates.field,
    "secret": DetailTemplates.secret, "overview": PageTemplates.overview, "access": PageTemplates.access,
    "search": PageTemplates.search, "settings": PageTemplates.settings, "logs": PageTemplates.logs,
    "topology": PageTemplates.topology,
    "launch": LaunchTemplate.launch, "list-live": ListTemplates.listLive, "detail-live": DetailTemplates.detailLive,
    "logs-live": PageTemplates.logsLive, "topology-live": PageTemplates.topologyLive,
  ]

  /// The templates in a language. A source that does not parse is left out; a test compiles them all.
  static func compile(_ language: Language) -> MustacheLibrary {
    var library = MustacheLibrary()
    for (name, source) in sources { try? library.register(language.translate(source), named: name) }
    return library
  }
}
