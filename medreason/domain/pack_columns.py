"""The columns of every table of a pack: name, kind and meaning, written once for files, schemas and codebook.

Kinds: `text`, `whole` (a whole number), `number`, `yes_no`, `time` (ISO 8601, UTC), `object` (JSON only), or the
words allowed, split by "|". Knows nothing of files; an empty cell is "not available" in all of them.
"""

from typing import NamedTuple

KINDS = ("text", "whole", "number", "yes_no", "time", "object")


class Column(NamedTuple):
    """One column; `choices` are the words allowed, none where any text goes."""

    name: str
    kind: str
    meaning: str
    choices: tuple[str, ...] = ()


def _columns(table: str) -> tuple[Column, ...]:
    made = []
    for line in table.strip().splitlines():
        name, kind, meaning = (part.strip() for part in line.split(None, 2))
        choices = tuple(kind.split("|")) if kind not in KINDS else ()
        made.append(Column(name, "text" if choices else kind, meaning, choices))
    return tuple(made)


RATINGS = _columns("""
schema_version      whole   version of these columns
study_id            text    the study, or “live” for pairs asked in Compare
rating_id           text    one submission of one rater
presentation_id     text    one showing of one pair to one rater; empty in files made elsewhere
mode                confirmatory|exploratory|training   whether the rating belongs to a planned study
rater_id            text    pseudonym of the rater
rater_role          text    what the rater is by profession, as they told it; empty where they did not
rater_specialty     text    the rater's specialty, likewise
years_practice      whole   years in practice, likewise
case_id             text    the case; unit of every inference
case_version        text    version of the case's text
case_specialty      text    specialty that the case belongs to
case_kind           study|repeat|gold_planted|gold_aa|gold_fake|gold_instr  study case, repeat, or kind of control
repeat_of           text    case that a repeat shows again
arm                 baseline|finetuned|X|Y      the model that gave the answer; X and Y before unblinding
side                left|right                  where the answer stood
case_position       whole   place of the case in the rater's queue, from 1
generation_id       text    the answer rated; key of generations.jsonl
item                text    what was rated: D, F, H, harm_extent, omission, final_answer_correct and others
phase               answer_only|with_trace      before or after the thinking was shown
value               whole   the score; empty where the rater could not judge
value_label         text    the words of that score
scale_min           whole   lowest score of the item
scale_max           whole   highest score of the item
not_judgeable       yes_no  the rater said “cannot judge”
confidence          whole   1 to 5: how sure the rater was of the case's ratings
familiarity         whole   1 to 3: how well the rater knows the topic
active_ms           whole   active time in the phase, in milliseconds
started_at          time    when the rater first saw the pair
submitted_at        time    when the rating was stored
revision_no         whole   1 for the first rating, higher for corrections
superseded          yes_no  a later revision stands instead
blinded             yes_no  the program had not shown this rater which arm was which
schedule_hash       text    SHA-256 of the sealed schedule of sides and orders
app_version         text    version of the program
""")

PAIRS = _columns("""
pair_id             text    the pair of answers
rater_id            text    pseudonym of the rater
case_id             text    the case
axis                D|F|H|overall               what was compared
raw_left_right      whole   −3 (left much better) to 3 (right much better); empty where it could not be judged
pref_ft             whole   the same, positive where the fine-tuned answer is better (Y in a blinded pack)
outcome             win|tie|loss                of the fine-tuned answer (of Y in a blinded pack)
both_unacceptable   yes_no  both answers were called unacceptable
left_arm            baseline|finetuned|X|Y      the arm on the left
confidence          whole   1 to 5
arm_guess           left|right|dk               side that the rater took for the fine-tuned one; dk: don't know
guess_correct       yes_no  whether that guess was right; empty in a blinded pack
active_ms           whole   active time, in milliseconds
len_tokens_left     whole   tokens of thinking and answer on the left
len_tokens_right    whole   tokens of thinking and answer on the right
started_at          time    when the rater first saw the pair
submitted_at        time    when the comparison was stored
presentation_id     text    one showing of one pair to one rater
mode                confirmatory|exploratory|training   as in ratings_long.csv
case_kind           study|repeat|gold_planted|gold_aa|gold_fake|gold_instr  as in ratings_long.csv
revision_no         whole   1 for the first, higher for corrections
superseded          yes_no  a later revision stands instead
headers_left        whole   Markdown headings in the left answer
headers_right       whole   Markdown headings in the right answer
lists_left          whole   list items in the left answer
lists_right         whole   list items in the right answer
bold_left           whole   bold passages in the left answer
bold_right          whole   bold passages in the right answer
comment             text    what the rater wrote about the pair
""")

SPANS = _columns("""
span_id             text    one marked passage
rater_id            text    pseudonym of the rater
case_id             text    the case
generation_id       text    the answer marked
arm                 baseline|finetuned|X|Y      the model that gave the answer
target              trace|answer                the text marked
start               whole   first character, in Unicode code points from 0
end                 whole   one behind the last character
quote               text    the passage itself; empty where the pack holds no texts
text_sha256         text    SHA-256 of the whole text marked, in UTF-8
type                text    kind of fault, such as fabricated_fact, or omission
severity            whole   1 cosmetic, 2 needs correction, 3 could change management, 4 could harm; major from 3
basis               text    own knowledge, looked up, or cannot verify
source_note         text    where it was looked up
adjudicated         text    yes (the lead lets it stand), no, the span_id it was merged into; empty: not settled
created_at          time    when it was marked
presentation_id     text    one showing of one pair to one rater
case_kind           study|repeat|gold_planted|gold_aa|gold_fake|gold_instr  as in ratings_long.csv
""")

GENERATIONS = _columns("""
generation_id       text    one answer of one arm
case_id             text    the case asked
arm                 baseline|finetuned|X|Y      the model; X and Y before unblinding
base_model          text    hub id or folder of the base model
base_revision       text    its revision
adapter_id          text    the adapter loaded beside it
adapter_revision    text    revision of the adapter
adapter_sha256      text    SHA-256 of the adapter's weights
adapter_active      yes_no  whether the adapter acted on this answer; proven by the self-test
precision           text    number format of the weights
template_sha256     text    SHA-256 of the chat template
system_prompt       text    the system prompt
sampling            object  temperature, top_p, top_k, seed, max_new_tokens and thinking
finish_reason       stop|length|cancelled|failed   how the answer ended; length: cut at the token budget
prompt_tokens       whole   tokens of the prompt
thinking_tokens     whole   tokens of the thinking
answer_tokens       whole   tokens of the answer
ttft_ms             number  milliseconds to the first token
total_ms            number  milliseconds in all
thinking_text       text    the thinking, as it was generated
answer_text         text    the answer, as it was generated
sha256              text    SHA-256 of thinking, a line break, and answer, in UTF-8
created_at          time    when it was generated
library_versions    object  versions of the libraries
base_sha256         text    SHA-256 of the base model's weights
engine              text    what computed the answer
self_test           text    sentence of the self-test that these weights passed
claimed_by          text    who claims the weights, where the program did not hold them itself
""")

CASES = _columns("""
case_id             text    the case
case_version        text    version of its text
text                text    what both models were asked
specialty           text    specialty
kind                study|repeat|gold_planted|gold_aa|gold_fake|gold_instr  study case, repeat, or kind of control
repeat_of           text    case that a repeat shows again
reference_answer    text    what a right answer says
must_contain        text    strings that a right answer holds, split by “;”, synonyms by “|”
source              text    where the case comes from
""")

PLANTED = _columns("""
case_id             text    the control case
error_no            whole   which of its planted errors, from 1
arm                 baseline|finetuned          the arm in whose place the written text stands
target              trace|answer                the text that holds the error
start               whole   first character, in Unicode code points from 0
end                 whole   one behind the last character
quote               text    the wrong words; empty where the pack holds no texts
type                text    kind of fault, as in spans.csv
severity            whole   1 to 4, as in spans.csv
n_raters            whole   raters who were shown it
n_found             whole   raters of whom a mark touches it
n_missed            whole   raters of whom none does
found_by            text    their pseudonyms, split by “;”
missed_by           text    likewise
""")

EVENTS = _columns("""
event_id            text    one entry of the record of what was done
at                  time    when
actor               text    pseudonym of a rater, or role of whoever acted
action              text    what was done
subject             text    what it was done to
details             object  further facts, never texts of cases or answers
""")

AGREEMENT = _columns("""
subject             text    outcome id, or “rater” and a pseudonym
basis               text    scores, differences, repeats, spans, rater or guesses
measure             text    which coefficient or share
value               number  the number; empty with a reason
ci_low              number  lower end of the 95 % interval
ci_high             number  upper end
ci_method           text    how the interval was made
n_units             whole   what it rests on
n_raters            whole   how many raters
reason              text    why there is no number or no interval
""")

SECONDARY_MODEL = _columns("""
outcome             text    the axis whose scores are modelled
term                text    what the log-odds belong to; empty where there is no model
log_odds            number  log-odds of a higher score: fine-tuned, left, thinking shown, or 1 SD later
ci_low              number  lower end of the 95 % interval
ci_high             number  upper end
odds_ratio          number  the same as a ratio
n_ratings           whole   scores that it rests on
n_cases             whole   cases, the clusters of the model
left_out            text    terms that do not vary or are not known, split by ";"
reason              text    why there is no model
""")

FURTHER = _columns("""
outcome             text    outcome id as in evaluation_table.csv, “axes”, or “controls”
measure             text    what the number is
value               number  the number; empty with a reason
ci_low              number  lower end of the 95 % interval, where it has one
ci_high             number  upper end
ci_method           text    how the interval was made
p                   number  two-sided p, not adjusted, where it is a test
n                   whole   what it rests on: ratings, cases, comparisons or answers, as the measure says
reason              text    why there is no number, no interval or no p
""")

ADJUDICATIONS = _columns("""
generation_id       text    the answer about which raters differed
case_id             text    the case
arm                 baseline|finetuned|X|Y      the model that gave the answer; X and Y before unblinding
item                text    what had been rated
value               whole   what was settled; the ratings stay as they were given
reason              text    why, in the lead's words; empty where the pack holds no texts
created_at          time    when
""")
