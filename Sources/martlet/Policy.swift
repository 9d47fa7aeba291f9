import ArgumentParser
import Cloud
import Kit

struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Who may do what.", subcommands: [PolicyExplain.self])
}

struct PolicyExplain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say whether a user may do something, which rule decides and why.",
    discussion: """
      martlet policy explain demo os_compute_api:servers:create --project demo
      martlet policy explain alice identity:update_user target.domain_id=default --domain Default
      """)
  @OptionGroup var state: StateOption
  @Argument(help: "The user's name or id.") var user: String
  @Argument(help: "The policy: `martlet routes` lists them.") var action: String
  @Argument(help: "What the call is about: key=value, with oslo.policy's keys.") var target: [String] = []
  @Option(help: "The domain of the user.") var userDomain = "default"
  @Option(help: "The project of the token.") var project: String?
  @Option(help: "The domain of the token.") var domain: String?
  @Flag(help: "A token of the whole system.") var system = false
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    var pairs = JSONObject()
    for text in target {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw ValidationError("'\(text)' is not of the form key=value.") }
      pairs[parts[0]] = .string(parts[1])
    }
    let body: JSONValue = [
      "user": .string(user), "user_domain": .string(userDomain), "action": .string(action), "target": .object(pairs),
      "project": .optional(project), "domain": .optional(domain), "system": .bool(system),
    ]
    guard let answer = try ControlClient(state.folder).call("POST", "/policy", body: body) else {
      throw Fault.unavailable("The cloud in \(state.folder.path) is not running: `martlet up` starts it.")
    }
    if json { return print(answer.text) }
    print("\(answer["allowed"]?.bool == true ? "allowed" : "refused"): \(action)")
    print("asked by  \(answer["who"]?.string ?? "")")
    print("rule      \(answer["rule"]?.string ?? "") (\(answer["source"]?.string ?? ""))")
    for line in answer["lines"]?.array ?? [] { print("  \(line.string ?? "")") }
  }
}
