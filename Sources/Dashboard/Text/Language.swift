/// A language of the dashboard. English texts are the keys of the others.
enum Language: String, Sendable, CaseIterable {
  case english = "en"
  case korean = "ko"

  /// Its own name.
  var name: String { self == .english ? "English" : "한국어" }

  /// The text in this language; a text without a translation stays English.
  func text(_ english: String) -> String {
    switch self {
    case .english: english
    case .korean: Korean.texts[english] ?? english
    }
  }

  /// A template with each `[[English text]]` in this language.
  func translate(_ template: String) -> String {
    var (result, rest) = ("", template[...])
    while let start = rest.firstRange(of: "[["), let end = rest[start.upperBound...].firstRange(of: "]]") {
      result += rest[..<start.lowerBound]
      result += text(String(rest[start.upperBound..<end.lowerBound]))
      rest = rest[end.upperBound...]
    }
    return result + rest
  }

  /// The first of the browser's languages that we speak.
  static func preferred(_ header: String?) -> Language {
    for entry in (header ?? "").split(separator: ",") {
      if let language = Language(rawValue: String(entry.drop { $0 == " " }.prefix(2)).lowercased()) { return language }
    }
    return .english
  }
}
