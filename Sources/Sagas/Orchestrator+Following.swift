import EventCore
import Synchronization

// What the log tells of sagas, and who has to look at it.
extension Orchestrator {
    func follow(_ feed: SagaFeed, from start: UInt64) async {
        defer { feed.cancel() }
        var position = start
        while !Task.isCancelled, let page = await feed.next() {
            while position < page.since, !Task.isCancelled {
                do throws(StoreError) {
                    let missed = try index.read(after: position, through: page.since)
                    for stored in missed.events { see(stored) }
                    position = missed.position
                } catch {
                    await clock.sleep(milliseconds: 1000)
                }
            }
            for stored in page.events where stored.position > position { see(stored) }
            position = max(position, page.through)
            index.advance(to: position)
            state.withLock { $0.position = position }
        }
    }

    private func see(_ stored: StoredEvent) {
        guard let event = SagaEvent(stored.event) else { return }
        let id = stored.aggregate.id
        let (saga, successors) = state.withLock { state in
            _ = SagaIndex.fold(stored, event, &state.open)
            let isOver = event == .completed || event.isCompensated
            return (state.open[id], isOver ? state.successors.removeValue(forKey: id) ?? [] : [])
        }
        index.note(stored, saga)
        switch event {
        case .started, .taskResolved, .stopped, .stepCompleted(_, _, late: true, _): poke(id, [])
        case .parked(step: nil, _, _, _): endings.ended(id, .parked)
        case .completed: endings.ended(id, .completed)
        case .compensated: endings.ended(id, .compensated)
        default: break
        }
        for successor in successors { poke(successor, []) }
    }

    /// A saga of which nothing was known, such as one that a late answer has opened again.
    func adopt(_ id: Identifier, _ saga: Saga) {
        state.withLock { state in
            if state.open[id] == nil, let known = OpenSaga(saga) { state.open[id] = known }
        }
    }
}
