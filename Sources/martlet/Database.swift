import ArgumentParser
import Cloud
import Config
import Host
import Kit
import Store

struct DatabaseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "db", abstract: "The cloud's database.", subcommands: [DatabaseCopyCommand.self])
}

struct DatabaseCopyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy",
    abstract: "Copy the whole database of a stopped cloud into another engine: how an all-in-one grows.",
    discussion: """
      Both ends are files with settings as in martlet.yaml, of which store.* count; `sqlite` alone is the file in the \
      state folder. The target must be empty. Then set store.engine and the others in martlet.yaml and start the cloud.
      """)
  @OptionGroup var state: StateOption
  @Option(help: "Where from: sqlite, or a settings file.") var from = "sqlite"
  @Option(help: "Where to: sqlite, or a settings file.") var to: String

  func run() async throws {
    let lock = try FileLock(state.folder.lock)
    let source = try StoreEngine.open(try settings(from), state.folder)
    let target = try StoreEngine.open(try settings(to), state.folder)
    let copied = try await DatabaseCopy(from: source, to: target).run(CloudServices.migrations)
    for (table, rows) in copied where rows > 0 { print("\(table): \(rows) rows") }
    print("\(copied.reduce(0) { $0 + $1.rows }) rows in \(copied.count) tables are copied and counted again.")
    try source.close()
    try target.close()
    withExtendedLifetime(lock) {}
  }

  private func settings(_ name: String) throws -> Configuration {
    name == "sqlite" ? Configuration() : try Configuration(file: name)
  }
}
