/// Runs `body` to its end even when the present task is cancelled (its client went away): for taking back half-made work.
/// The caller waits for it, so nothing goes on unseen.
func shielded(_ body: @escaping @Sendable () async -> Void) async {
  await Task(operation: body).value
}
