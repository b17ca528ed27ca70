import Pipeline

/// The worker is where a request meets what the stages rest on; each stage has a file of its own.
extension Worker: AdmissionStages {}
