/// Korean texts by their English ones.
enum Korean {
  static let texts: [String: String] = [
    "Sign in": "로그인"
  ]
}
