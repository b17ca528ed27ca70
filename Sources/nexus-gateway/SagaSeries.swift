import EventCore
import Sagas
import Telemetry

/// The sagas' figures as metric families.
enum SagaSeries {
    static func families(of figures: SagaMeters.Figures) -> [Family] {
        return [
            Family("nexus_saga_step_seconds", .histogram, "Calls of steps and compensations.", unit: "seconds", samples: steps(figures)),
            Family("nexus_saga_completed", .counter, "Sagas that came to their end.", samples: counts(figures.completed)),
            Family("nexus_saga_compensated", .counter, "Sagas that were undone.", samples: counts(figures.compensated)),
            Family(
                "nexus_sagas", .gauge, "Sagas that are not over.",
                samples: [.inProgress, .parked].map { status in
                    Sample(.integer(UInt64(figures.open[status] ?? 0)), labels: [("status", status.rawValue)])
                }),
            Family("nexus_saga_tasks", .gauge, "Tasks that wait for people.", .integer(UInt64(figures.openTasks))),
            Family("nexus_sagas_running", .gauge, "Sagas being carried out.", .integer(UInt64(figures.running))),
            Family("nexus_sagas_queued", .gauge, "Sagas that wait to be carried out.", .integer(UInt64(figures.queued))),
            Family(
                "nexus_saga_late_answers", .counter, "Answers that came after their step was given up.",
                .integer(figures.lateAnswers)),
            Family(
                "nexus_saga_writes_retried", .counter, "Transactions tried again because the store could not be written.",
                .integer(figures.retriedWrites)),
            Family(
                "nexus_saga_index_failures", .counter, "Failed transactions of the index of open sagas.",
                .integer(figures.failedIndexWrites)),
        ]
    }

    private static func counts(_ counts: [String: UInt64]) -> [Sample] {
        counts.sorted { $0.key < $1.key }.map { Sample(.integer($0.value), labels: [("saga", $0.key)]) }
    }

    /// Cumulative buckets, sum and count.
    private static func steps(_ figures: SagaMeters.Figures) -> [Sample] {
        let sorted = figures.steps.sorted {
            ($0.key.saga, $0.key.step, $0.key.outcome) < ($1.key.saga, $1.key.step, $1.key.outcome)
        }
        return sorted.flatMap { key, durations -> [Sample] in
            let labels = [("saga", key.saga), ("step", key.step), ("outcome", key.outcome)]
            var running: UInt64 = 0
            var out: [Sample] = []
            for (i, count) in durations.counts.enumerated() {
                running += count
                let bounds = SagaMeters.Durations.bounds
                let bound = i < bounds.count ? "\(bounds[i])" : "+Inf"
                out.append(Sample(.integer(running), labels: labels + [("le", bound)], suffix: "_bucket"))
            }
            out.append(Sample(.real(durations.sum), labels: labels, suffix: "_sum"))
            out.append(Sample(.integer(running), labels: labels, suffix: "_count"))
            return out
        }
    }
}
