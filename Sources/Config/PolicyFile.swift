import Foundation
import Kit
import Yams

extension Configuration {
  /// The rules of a policy file: a mapping of names to texts (oslo.policy's `policy.yaml`). Throws a fault that says what
  /// in it is not of that form.
  public static func policyRules(file path: String) throws -> [(String, String)] {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw Fault.badRequest("\(path) cannot be read: \(error.localizedDescription)")
    }
    let root: Any?
    do { root = try Yams.load(yaml: text) } catch { throw Fault.badRequest("\(path) is not YAML: \(error)") }
    guard let root else { return [] }
    guard let rules = root as? [String: Any] else {
      throw Fault.badRequest("\(path) must hold rules of the form \"name\": \"expression\".")
    }
    return try rules.sorted { $0.key < $1.key }.map { name, value in
      guard let text = value as? String else {
        throw Fault.badRequest("\(path): the rule of \(name) must be a text; write it in quotation marks.")
      }
      return (name, text)
    }
  }
}
