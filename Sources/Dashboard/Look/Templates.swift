import Mustache

/// All templates, compiled once for each language.
enum Templates {
  static let sources: [String: String] = [
    "layout": LayoutTemplates.layout, "sign-in": LayoutTemplates.signIn, "message": LayoutTemplates.message,
    "preferences": LayoutTemplates.preferences,
    "cell": ListTemplates.cell, "cell-part": ListTemplates.cellPart, "list": ListTemplates.list,
    "menu": ListTemplates.menu,
    "detail": DetailTemplates.detail, "form": DetailTemplates.form, "field": DetailTemplates.field,
    "secret": DetailTemplates.secret, "overview": PageTemplates.overview, "access": PageTemplates.access,
    "search": PageTemplates.search, "logs": PageTemplates.logs, "topology": PageTemplates.topology,
    "launch": LaunchTemplate.launch,
  ]

  static func compile() throws -> [Language: MustacheLibrary] {
    var all: [Language: MustacheLibrary] = [:]
    for language in Language.allCases {
      var library = MustacheLibrary()
      for (name, source) in sources { try library.register(language.translate(source), named: name) }
      all[language] = library
    }
    return all
  }
}
