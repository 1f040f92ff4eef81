"""The widget: holds the state, answers the browser, exports."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import anywidget
import numpy as np
import traitlets
import xarray as xr

from nbexport.errors import ExportCancelled, ExportError, PlanError, TargetExistsError
from nbexport.panels import _snapshot
from nbexport.panels._code import Call, call_of, target_of
from nbexport.panels._job import Job, Pace
from nbexport.panels._picture import fetch_picture, message, parse_request
from nbexport.panels._planes import Request
from nbexport.panels._reduce import Bounds, reduce
from nbexport.panels._state import PanelState
from nbexport.panels._subject import Subject, problems, understood
from nbexport.panels._view import Fetcher
from nbexport.plan import PyramidPlan
from nbexport.stores import WriteReport

_HERE: Final = Path(__file__).parent
# Until an export has run: what two slow cores write with the default compression.
_RATE: Final = 100e6
_RATIO_SAMPLE: Final = 2**18


class Panel(anywidget.AnyWidget):
    """The panel of one DataArray: shows what will be written, and writes it.

    Made by ``da.bioexport.panel()``. Callbacks come on any thread, so everything that reads or
    changes the state holds one lock. Pixels are sent as messages and are in no trait: a saved
    notebook has none, nor has it any of `storage_options`.

    Attributes
    ----------
    state
        What the panel means; may be set.
    code
        The call that this state means.
    report
        That of the last export that was completed; None before.
    """

    _esm = _HERE / "panel.js"
    _css = _HERE / "panel.css"
    setup = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    job = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        da: xr.DataArray,
        state: PanelState,
        *,
        parts: tuple[str, ...] = (),
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(da, xr.DataArray):
            understood(da, state)  # raises, with the sentence for it
        self._lock = threading.RLock()
        self._da: xr.DataArray | None = da
        self._storage_options = dict(storage_options or {})
        self._state = state
        self._subject: Subject | None = None
        self._problems: dict[str, list[str]] = {}
        self._last: Job | None = None
        self._acknowledged: dict[str, int] = {}
        self._said = ""
        self._rate = _RATE
        self._taken: str | None = None  # a target that turned out to exist
        self._ratio = 0.6
        self._plan: PyramidPlan | None = None
        self._whole: tuple[PanelState, Subject, PyramidPlan] | None = None
        self._auto: dict[int, tuple[float, float]] = {}
        self._fetcher = Fetcher(self._send_planes)
        self.report: WriteReport | None = None
        self._understand()
        super().__init__(setup={**_snapshot.setup(), "parts": list(parts)}, job={"phase": "idle"})
        self._refresh()
        self.on_msg(self._received)

    @property
    def state(self) -> PanelState:
        """What the panel means."""
        with self._lock:
            return self._state

    @state.setter
    def state(self, state: PanelState) -> None:
        if not isinstance(state, PanelState):
            raise TypeError(
                f"state is a PanelState, got {type(state).__name__}; "
                "use dataclasses.replace(panel.state, …) or PanelState.from_json"
            )
        with self._lock:
            self._array()
            self._change(state)

    @property
    def code(self) -> str:
        """The call that this state means, as Python for an array called ``da``."""
        return self._call().text

    def export(self) -> WriteReport:
        """Write what the panel means, as its button does, and return the report.

        Raises
        ------
        ExportError
            If it can't be written, or was cancelled.
        """
        return self._start().wait()

    def cancel(self) -> None:
        """Stop a running export; nothing is left at its target.

        Raises
        ------
        PlanError
            If it can't be stopped: a single picture is made in one go.
        """
        with self._lock:
            if self._last is not None and self._last.is_running:
                if not self._last.call.can_stop:
                    raise PlanError(
                        "a single picture is made in one go and can't be stopped; wait for it"
                    )
                self._last.cancel()
                self.job = {**self.job, "phase": "cancelling"}

    def close(self) -> None:
        """Take the panel out of the page, stop what runs for it, let go of the DataArray.

        A running export is cancelled, and leaves nothing; one of a single picture is waited for.
        Closing twice does nothing. `state` and `report` can still be read.
        """
        fetcher = getattr(self, "_fetcher", None)  # also called of what was never complete
        if fetcher is not None:
            fetcher.close()
            with self._lock:
                job, self._last = self._last, None
                self._da = self._subject = self._plan = self._whole = None
                self._storage_options = {}
            if job is not None and job.is_running:
                job.cancel()
                job.join()
        super().close()

    def _array(self) -> xr.DataArray:
        """Return the DataArray, which a closed panel has no more."""
        if self._da is None:
            raise PlanError("this panel is closed; make another one with da.bioexport.panel()")
        return self._da

    def _call(self) -> Call:
        with self._lock:
            da = self._array()
            if self._subject is None or self._problems:
                understood(da, self._state)  # raises what is wrong
            assert self._subject is not None
            return call_of(self._state, self._subject, self._storage_options)

    def _start(self) -> Job:
        with self._lock:
            if self._last is not None and self._last.is_running:
                raise PlanError("an export of this panel is running; cancel it, or wait")
            call = self._call()
            job = Job(call, self._array(), tell=self._tell, ended=self._end)
            self._last = job
            self.job = {
                "phase": "running",
                "done": 0,
                "total": 0,
                "target": call.target,
                "can_stop": call.can_stop,
            }
            job.start()
            return job

    def _tell(self, pace: Pace) -> None:
        with self._lock:
            self.job = {**self.job, **asdict(pace)}

    def _end(self, job: Job) -> None:
        report, error = job.report, job.error
        with self._lock:
            if report is not None:
                self.report = report
                if report.seconds > 0.2 and job.call.format in ("ome-zarr", "ome-tiff"):
                    self._rate = max(report.megabytes_per_second * 1e6, 1.0)
                self.job = {
                    "phase": "done",
                    "target": report.target,
                    "text": _done_text(report),
                }
            elif isinstance(error, ExportCancelled):
                self.job = {"phase": "cancelled", "text": "Cancelled; nothing was left."}
            else:
                assert error is not None
                if isinstance(error, TargetExistsError):  # of a URL that is only known now
                    self._taken = job.call.target
                self.job = {"phase": "failed", "text": _snapshot.error_text(error)}
            if self._da is not None:
                self._refresh()

    def _change(self, state: PanelState) -> None:
        if self._subject is not None:
            state = self._subject.with_windows(state, self._auto)
        self._state, before = state, self._state
        parts = ("name", "dims", "scale", "units")
        if any(getattr(state, part) != getattr(before, part) for part in parts):
            self._understand()
        self._refresh()

    def _understand(self) -> None:
        """Look at the DataArray anew; what was understood last stays in the picture."""
        da = self._array()
        self._problems = problems(da, self._state)
        if not self._problems:
            self._subject = understood(da, self._state)

    def _refresh(self) -> None:
        """Send what follows from the state."""
        state, subject, da = self._state, self._subject, self._array()
        shown: dict[str, Any] = {
            "ack": dict(self._acknowledged),
            "said": self._said,
            "format": state.format,
            "target": target_of(
                state,
                subject.image.name if subject else "" if da.name is None else str(da.name),
            ),
            "own_target": state.target,
            "overwrite": state.overwrite,
            "options": _snapshot.options_part(state),
            "level": state.level,
            "name": state.name,
            "rows": _snapshot.metadata_rows(da, subject, state),
            "problems": self._problems,
            "image": _snapshot.understood_part(subject, state) if subject else None,
            "code": "",
            "trouble": "",
        }
        shown["exists"] = shown["target"] == self._taken or _snapshot.target_exists(shown["target"])
        self._plan = None
        if subject is not None and not self._problems:
            try:
                call = call_of(state, subject, self._storage_options)
                shown["code"] = call.text
                shown["frames"] = _snapshot.frames_part(call, subject, state)
                self._plan = _snapshot.planned(call, da)
            except (ExportError, TypeError) as error:
                shown["trouble"] = _snapshot.error_text(error)
        shown["plan"] = _snapshot.plan_part(self._plan, self._ratio, self._rate)
        shown["has_levels"] = state.format in ("ome-zarr", "ome-tiff")
        self.snapshot = _snapshot.as_json(shown)

    def _received(self, widget: object, content: Mapping[str, Any], buffers: object) -> None:
        """Answer the browser; an exception here would end in a log that nobody sees."""
        if self._da is None:
            return  # closed; what was on its way
        try:
            kind = content.get("type")
            if kind == "act":
                self._act(content)
            elif kind == "view":
                self._fetcher.ask(parse_request(content))
            elif kind == "export":
                self._start()
            elif kind == "report" and self.report is not None:
                html = self.report._repr_html_()
                self.send({"type": "report", "view": content["view"], "html": html})
            elif kind == "cancel":
                self.cancel()
        except Exception as error:
            with self._lock:
                text = _snapshot.error_text(error)
                if content.get("type") == "export":
                    self.job = {"phase": "failed", "text": text}
                else:
                    self._said = text
                    self._refresh()

    def _act(self, content: Mapping[str, Any]) -> None:
        with self._lock:
            self._acknowledged[str(content.get("view"))] = int(content.get("number", 0))
            self._said = ""
            image = self._subject.image if self._subject is not None else None
            n_channels = len(image.channels) if image and image.kind == "intensity" else 0
            bounds = Bounds(
                sizes=tuple(image.sizes.items()) if image else (), n_channels=n_channels
            )
            state = self._state
            for action in content["actions"]:
                state = reduce(state, action, bounds)
            self._change(state)

    def _pyramid(self) -> tuple[Subject, PyramidPlan] | None:
        """Return the levels of the whole image, which are looked at whatever the crop."""
        with self._lock:
            subject, state = self._subject, self._state
            if subject is None:
                return None
            bare = replace(state, crop=(), kept=None, channels=(), target=None, overwrite=False)
            bare = replace(bare, index=(), level=None)
            if self._whole is None or self._whole[0] != bare or self._whole[1] is not subject:
                call = call_of(bare, subject)
                if call.format not in ("ome-zarr", "ome-tiff"):
                    call = replace(call, format="ome-zarr", options={})
                plan = _snapshot.planned(call, self._array())
                assert plan is not None
                self._whole = (bare, subject, plan)
            return subject, self._whole[2]

    def _send_planes(self, request: Request, stale: Callable[[], bool]) -> None:
        try:
            found = self._pyramid()
            if found is None:
                return
            subject, plan = found
            for planes, encoded, fraction in fetch_picture(subject, plan, request, stale):
                if stale():
                    return
                if fraction == 1.0:
                    self._learn(planes, encoded)
                header, buffers = message(subject, plan, request, encoded, fraction, self._auto)
                self.send(_snapshot.as_json(header), buffers)
        except Exception as error:
            text = _snapshot.error_text(error)
            about = {"view": request.view, "number": request.number}
            self.send({"type": "trouble", "text": text, **about})

    def _learn(self, planes: Mapping[int, Any], encoded: Mapping[int, Any]) -> None:
        """Keep the first windows, for a picture that does not flicker, and how well pixels pack."""
        with self._lock:
            known = len(self._auto)
            for key, one in encoded.items():
                self._auto.setdefault(key, one.auto)
            if len(self._auto) > known and self._da is not None:
                plane = next(iter(planes.values()))
                sample = np.ascontiguousarray(plane.ravel()[:_RATIO_SAMPLE])
                packed = len(zlib.compress(sample.tobytes(), 1))
                self._ratio = packed / max(sample.nbytes, 1)
                self._change(self._state)


def _done_text(report: WriteReport) -> str:
    return f"Written in {report.seconds:.1f} s: {report.target}"
