"""What a user of the command line can do about an error. Only this file names options; the library does not."""

from softjax.errors import InputError

ADVICE = {
    ("softjax.runs.run_folder", "ReportExistsError"): "give --overwrite to replace it, or another --out",
    ("softjax.runs.run_folder", "UnfinishedRunError"): "--resume continues it, --overwrite discards it",
    ("softjax.runs.run_folder", "RunInProgressError"): "wait for it, or give another --out",
    ("softjax.runs.run_folder", "ForeignFileError"): "move it, or give another --out",
    ("softjax.runs.checkpoint", "OtherRunError"): (
        "give its options to continue it, --overwrite without --resume to discard it, or another --out"
    ),
    (
        "softjax.runs.checkpoint",
        "DamagedCheckpointError",
    ): "--overwrite without --resume starts again from the beginning",
    ("softjax.runs.checkpoint", "CheckpointNotWrittenError"): "make room, then --resume",
    ("softjax.datasets.cifar10", "DownloadError"): (
        "put its cifar-10-batches-bin there, name a folder with --data-dir, or use --dataset digits"
    ),
    ("softjax.datasets.tables", "LabelColumnError"): "give --label COLUMN",
    ("softjax.training.devices", "NotJoinedError"): (
        "start it under srun or on a TPU pod, or give --coordinator HOST:PORT, --num-processes and --process-id"
    ),
    ("softjax.training.config", "NotDistributedError"): "give --distributed too",
    ("softjax.classifier.rows", "ExtraColumnError"): (
        "--ignore-extra leaves such columns out, --label and --id say what else a column is"
    ),
}


def add_advice(error: InputError) -> str:
    """The error's message in one line, and the advice for this kind of error, if there is any."""
    kind = type(error)
    advice = ADVICE.get((kind.__module__, kind.__qualname__))
    return f"{error}; {advice}" if advice else str(error)
