import API
import Kit
import Store

extension ImageService {
  var taskRoutes: [Route] {
    // Upstream's tasks_api_access is for administrators.
    [
      Route("GET", "/v2/tasks", Policy("get_tasks", .admin)) { [self] call in
        let request = try TaskStore.list.request(call.query)
        let page = try await database.read { tx in try TaskStore.list.page(request, tx: tx) }
        let tasks = page.rows.map(TaskStore.task)
        var view: JSONObject = [
          "tasks": .array(tasks.map { ImageView.task($0, isBrief: true) }), "schema": "/v2/schemas/tasks",
          "first": "/v2/tasks",
        ]
        if page.hasNext, let last = tasks.last {
          view.append("next", .string(PageLinks.href(call, marker: last.id, isRelative: true)))
        }
        return .json(.object(view))
      },
      Route("GET", "/v2/tasks/{task_id}", Policy("get_task", .admin)) { [self] call in
        let id = call.parameter("task_id")
        let row = try await database.read { tx in try tx.first("SELECT * FROM image_task WHERE id = \(id)") }
        guard let row else { throw Fault.notFound("No task found with ID \(id.prefix(64))") }
        return .json(ImageView.task(TaskStore.task(row)))
      },
      Route("POST", "/v2/tasks", Policy("add_task", .admin), body: .json) { call in
        let types = ["import", "api_image_import", "location_import"]
        guard let type = call.body["type"]?.string, types.contains(type), call.body["input"]?.object != nil else {
          throw Fault.badRequest("A task has a type (\(types.joined(separator: ", "))) and an input.")
        }
        // Tasks that clients make themselves fetch their data from an address, which this service does not do.
        throw Fault.badRequest(
          "The address in the input does not pass filtering: images are not fetched from elsewhere. "
            + "Upload the data, or stage it and import it with the method glance-direct.")
      },
      Route("DELETE", "/v2/tasks/{task_id}", Policy("modify_task", .admin)) { _ in
        throw Fault(405, "Tasks cannot be deleted: they expire.", headers: ["Allow": "GET"])
      },
    ]
  }
}
