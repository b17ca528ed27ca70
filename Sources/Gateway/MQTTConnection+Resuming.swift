import Exchanges
import Pipeline
import Topics
import WireMQTT

/// The filters of an earlier connection, on their way through the pipeline.
private final class FiltersInJudgement {
    let attached: Attached
    /// Not decided on, and one until all have been asked about.
    var left: Int
    var refused: [TopicFilter] = []
    /// One could not be decided on for now.
    var undecided: MQTTEnding?

    init(_ attached: Attached) {
        self.attached = attached
        left = attached.filters.count + 1
    }
}

/// A session that goes on: roles and policies may have changed since its filters were granted. Each is judged as if it were asked
/// for now, before CONNACK; the broker delivers nothing until then.
extension MQTTConnection {
    func judge(_ attached: Attached) {
        let judging = FiltersInJudgement(attached)
        for filter in attached.filters {
            MQTTPermission(self) { [self] ending in
                if let ending {
                    if ending.isTemporary || ending.outcome.code == .rateLimited {
                        judging.undecided = ending
                    } else {
                        judging.refused.append(filter)
                    }
                }
                judged(judging)
            }
            .begin(again: filter.text)
        }
        judged(judging)
    }

    private func judged(_ judging: FiltersInJudgement) {
        judging.left -= 1
        // It may have taken too long, or the client is gone.
        guard judging.left == 0, phase == .admitting, let handle, let exchange else { return }
        // Nothing is taken from him because somebody else is away: he comes again.
        if let undecided = judging.undecided { return refuse(undecided, exchange) }
        worker.requests.ask(.judged(handle, exchange.ticket, refused: judging.refused))
        welcome(judging.attached)
    }
}
