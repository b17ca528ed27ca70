import Settings

extension RouteReader {
    /// `parameters: { productId: { of: sku, by: skus } }`: what the command's parameters are when the path calls them
    /// something else.
    func readParameters(_ route: Fields, _ definition: inout RouteDefinition) {
        guard let section = route.fields("parameters", "the parameters of a route") else { return }
        let place = route.position(of: "parameters")
        let takesThem = definition.targets.contains { target in
            switch target {
            case .command, .anyCommand, .query: true
            case .cluster, .operation, .fixed, .topics: false
            }
        }
        if !takesThem {
            diagnostics.error(at: place, "'parameters' has no effect: the route submits no command and no query")
        } else if definition.match.grpc {
            diagnostics.error(at: place, "'parameters' has no effect: a call says in its message what it wants")
        }
        for entry in section.named() {
            if let parameter = readParameter(entry, definition.match.path) { definition.parameters.append(parameter) }
        }
        if definition.parameters.count > PathTemplate.captureLimit {
            diagnostics.error(at: place, "a route has at most \(PathTemplate.captureLimit) parameters")
        }
    }

    private func readParameter(_ entry: Value.Entry, _ path: PathTemplate) -> RouteParameter? {
        let fields = Fields(entry.value, "a parameter", diagnostics)
        let of = fields.value("of")
        let by = fields.value("by")
        fields.finish()
        let names = path.captureNames
        if names.contains(entry.key) {
            diagnostics.error(at: entry.position, "the path gives '\(entry.key)' itself: give its capture another name")
        }
        guard let of else {
            diagnostics.error(at: entry.position, "the parameter '\(entry.key)' needs 'of': which capture is it?")
            return nil
        }
        guard let capture = of.string("of", diagnostics) else { return nil }
        guard let place = names.firstIndex(of: capture) else {
            diagnostics.error(at: of.position, "\(path) has no parameter '\(capture)'" + Spelling.hint(capture, among: names))
            return nil
        }
        var parameter = RouteParameter(name: entry.key, capture: capture, place: place)
        guard let by, let table = by.string("by", diagnostics) else { return parameter }
        let tables = configuration.tables.map(\.name)
        guard let number = tables.firstIndex(of: table) else {
            diagnostics.error(
                at: by.position, "unknown table '\(table)': see 'tables' of the configuration" + Spelling.hint(table, among: tables))
            return nil
        }
        let file = configuration.tables[number].file
        if file.position.line == 0, !FileFolder.exists(file.path) {
            diagnostics.warning(at: by.position, "the table '\(table)' is empty: \(file.path) does not exist")
        }
        parameter.table = table
        parameter.translation = number
        return parameter
    }
}
