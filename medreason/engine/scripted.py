"""An engine that says what it was told to: for tests, and for working on the page without a model.

It keeps the whole contract of `protocol.Engine` (order of events, cancel, faults of one arm), so that
what is proven with it holds for the others.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import AnswerText, Event, Failed, Finished, Started, ThinkingText
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import EngineState, Phase

PROVENANCE = ModelProvenance(
    base_model="scripted/base",
    base_revision="",
    base_sha256="0" * 64,
    adapter="scripted-adapter",
    adapter_sha256="1" * 64,
    precision="float32",
    template_sha256="2" * 64,
    engine="scripted",
    self_test="Self-test passed.",
)


@dataclass(frozen=True)
class Script:
    """What one arm says, word by word, to every question; `fault` ends it instead of a normal finish."""

    thinking: str = ""
    answer: str = ""
    finish: Finish = Finish.STOP
    fault: str = ""


class ScriptedEngine:
    """`pause_s` is waited before every word. `asked` lists the conversations put to it; `at_once` is what it says
    it can do, and limits nothing."""

    def __init__(self, pause_s: float = 0.0, at_once: int = 1):
        self.pause_s = pause_s
        self.at_once = at_once
        self.asked: list[tuple[Conversation, Sampling]] = []
        self.scripts = {
            Arm.BASELINE: Script(answer="It is probably viral."),
            Arm.FINETUNED: Script("Fever and a stiff neck point to the meninges.", "Meningitis."),
        }
        self._state = EngineState(Phase.READY, "Ready.", 1.0, ARMS)
        self._provenance = PROVENANCE

    def plays(self, arm: Arm, script: Script) -> None:
        self.scripts[arm] = script

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def provenance(self) -> ModelProvenance:
        return self._provenance

    def load(self) -> None:
        self._state = EngineState(Phase.READY, "Ready.", 1.0, ARMS)

    def unload(self) -> None:
        self._state = EngineState(Phase.UNLOADED, "No model is loaded.")

    def switch_adapter(self, adapter: Path | None) -> None:
        name = adapter.name if adapter else ""
        digest = sha256(name.encode()).hexdigest() if name else ""
        self._provenance = replace(self._provenance, adapter=name, adapter_sha256=digest)
        arms = ARMS if adapter else (Arm.BASELINE,)
        self._state = replace(self._state, arms=arms)

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        self.asked.append((conversation, sampling))
        began = time.monotonic()
        arms = tuple(arm for arm in self._state.arms if conversation.goes_on(arm))
        said = {arm: {"thinking": 0, "answer": 0} for arm in arms}
        prompt = len(conversation.question.split())
        for arm in arms:
            yield Started(arm, prompt, self._provenance)
        voices = {arm: self._words(arm, conversation.begun_by(arm)) for arm in arms}

        def counts(arm: Arm) -> Counts:
            return Counts(prompt, said[arm]["thinking"], said[arm]["answer"])

        thought_until: dict[Arm, float] = {}

        def timings(arm: Arm) -> Timings:
            now = time.monotonic()
            thought_s = thought_until.get(arm, now) - began if said[arm]["thinking"] else 0.0
            return Timings(self.pause_s, thought_s, now - began)

        while voices:
            for arm in list(voices):
                script = self.scripts[arm]
                if cancelled():
                    del voices[arm]
                    begun = conversation.begun_by(arm) or Answer()
                    thought = begun.thought or said[arm]["thinking"] > 0
                    closed = begun.closed or (said[arm]["answer"] > 0 and thought)
                    yield Finished(arm, Finish.CANCELLED, counts(arm), timings(arm), thought, closed)
                    continue
                if self.pause_s:
                    time.sleep(self.pause_s)
                spent = said[arm]["thinking"] + said[arm]["answer"] >= sampling.max_new_tokens
                event = None if spent else next(voices[arm], None)
                if event is not None:
                    said[arm]["thinking" if isinstance(event, ThinkingText) else "answer"] += 1
                    if isinstance(event, AnswerText):
                        thought_until.setdefault(arm, time.monotonic())
                    yield event
                    continue
                cut = spent and next(voices[arm], None) is not None
                del voices[arm]
                if script.fault and not cut:
                    yield Failed(arm, script.fault, counts(arm), timings(arm))
                else:
                    begun = conversation.begun_by(arm) or Answer()
                    thought = bool(script.thinking)
                    answered = begun.closed or said[arm]["answer"] > 0
                    finish = Finish.LENGTH if cut else script.finish
                    yield Finished(arm, finish, counts(arm), timings(arm), thought, thought and answered)

    def _words(self, arm: Arm, begun: Answer | None) -> Iterator[Event]:
        """The script from where its arm stopped; a part that is spelled otherwise there is said anew."""
        script, begun = self.scripts[arm], begun or Answer()
        for word in _pieces(script.thinking.removeprefix(begun.thinking)):
            yield ThinkingText(arm, word)
        for word in _pieces(script.answer.removeprefix(begun.text)):
            yield AnswerText(arm, word)


def _pieces(text: str) -> list[str]:
    """Words with the blank that follows them, so that they join to the text again."""
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:] if text else []
