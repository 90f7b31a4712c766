// Dead letters: listed by sink, sent again, dropped.
import { actAndReport, cleanText, confirmAct, element, formatCount, formatNumber, formatTime, get, make, makePager, onSession, outside, partly, poll, session, setText, startPage, withCode } from './base.js';

const PAGE = 50;
const INTERVAL_MS = 10000;
const view = { sink: new URLSearchParams(location.search).get('sink') || '', offset: 0 };
const chosen = new Set(); // ids
let answer = null;
let drawn = '';

const pager = makePager('dead letters', (offset) => {
    view.offset = offset;
    chosen.clear();
    poller.run();
});

/* ---- the list ---- */

function makeLetter(letter) {
    const box = make('input', {
        type: 'checkbox', checked: chosen.has(letter.id), 'aria-label': `Select the dead letter of ${cleanText(letter.vin || 'an unknown vehicle', 40)}, record ${letter.seq ?? cleanText(letter.id, 40)}`,
        onchange: () => { choose(letter.id, box.checked); },
    });
    return make('li', '', make('div', 'box', session.acts ? box : ''), make('div', '',
        make('p', 'head', make('time', '', formatTime(letter.failed_ms ?? letter.received_ms)), make('strong', '', outside(letter.vin, 60)),
            make('span', '', outside(letter.type, 80)), letter.attempts ? make('span', 'quiet', formatCount(letter.attempts, 'attempt')) : '',
            letter.seq ? make('span', 'quiet', `record ${formatNumber(letter.seq)}`) : ''),
        make('p', 'bad', outside(letter.error)),
        letter.record ? make('details', '', make('summary', '', 'Record'), make('pre', { tabIndex: 0 }, outside(JSON.stringify(letter.record, null, 2), 8000, true))) : ''));
}

function makeList(letters) {
    const all = make('input', {
        type: 'checkbox', checked: letters.every((l) => chosen.has(l.id)),
        onchange: () => { for (const letter of letters) choose(letter.id, all.checked); redraw(); },
    });
    return [session.acts ? make('label', 'select-all', all, ' Select all on this page') : '',
        make('ul', { class: 'letters', 'aria-label': 'Dead letters' }, letters.map(makeLetter))];
}

function choose(id, yes) {
    if (yes) chosen.add(id);
    else chosen.delete(id);
    renderButtons();
}

function renderButtons() {
    const found = answer?.found || 0;
    for (const id of ['resend', 'drop', 'resend_all', 'drop_all']) element(id).hidden = !session.acts || !answer;
    element('resend').disabled = element('drop').disabled = chosen.size === 0;
    element('resend_all').disabled = element('drop_all').disabled = found === 0;
    setText(element('resend'), chosen.size ? `Send ${formatNumber(chosen.size)} again` : 'Send again');
    setText(element('drop'), chosen.size ? `Drop ${formatNumber(chosen.size)}` : 'Drop');
    element('acts_why').hidden = session.acts || !session.why;
    if (!element('acts_why').hidden) element('acts_why').replaceChildren(...withCode(`To send dead letters again or to drop them: ${session.why}.`));
}

function renderSinks() {
    const select = element('sink');
    const names = answer.sinks.map((s) => s.name);
    if (JSON.stringify(names) !== select.dataset.names) {
        select.dataset.names = JSON.stringify(names);
        select.replaceChildren(...names.map((name) => make('option', { value: name })));
    }
    answer.sinks.forEach((s, i) => setText(select.options[i], `${s.name} (${formatNumber(s.dead_letters)})`));
    if (names.includes(view.sink)) select.value = view.sink;
}

function redraw() {
    drawn = '';
    render();
}

function render() {
    const letters = answer.dead_letters;
    const text = JSON.stringify([letters, session.acts, view.sink]);
    const ids = new Set(letters.map((l) => l.id));
    for (const id of chosen) if (!ids.has(id)) chosen.delete(id);
    renderSinks();
    renderButtons();
    pager.update(answer.offset ?? view.offset, PAGE, answer.found);
    if (text === drawn) return; // focus and open records stay
    drawn = text;
    element('list').replaceChildren(...(letters.length ? makeList(letters)
        : [make('p', '', answer.sinks.length ? `${view.sink || 'The sink'} has no dead letters.` : 'No sink has dead letters.')]), pager.node);
}

/* ---- acts ---- */

async function resend(body, count) {
    if (await confirmAct({ title: `Send ${formatCount(count, 'dead letter')} again`, text: 'The records go through the journal once more, marked as resent: all sinks of their routes get them, after newer records.', action: 'Send again' }))
        finish(await actAndReport('api/dead-letters/resend', body));
}

async function drop(body, count) {
    if (await confirmAct({ title: `Drop ${formatCount(count, 'dead letter')}`, text: `They are deleted and ${view.sink} never gets them.`, action: 'Drop', danger: true }))
        finish(await actAndReport('api/dead-letters/drop', body));
}

function finish(outcome) {
    if (outcome.ok) chosen.clear();
    renderButtons();
}

const some = () => ({ sink: view.sink, ids: [...chosen] });
const all = () => ({ sink: view.sink, all: true });

async function refresh() {
    const query = new URLSearchParams({ sink: view.sink, offset: view.offset, limit: PAGE });
    if (!view.sink) query.delete('sink');
    answer = await partly(element('list'), () => get(`api/dead-letters?${query}`));
    if (answer === null) {
        drawn = '';
        renderButtons();
        return;
    }
    // Without a name in the address, the first sink that has dead letters.
    if (!answer.sinks.some((s) => s.name === view.sink) && answer.sinks.length) {
        view.sink = (answer.sinks.find((s) => s.dead_letters > 0) || answer.sinks[0]).name;
        await refresh();
        return;
    }
    render();
}

startPage('Dead letters');
const poller = poll(refresh, INTERVAL_MS);
onSession(() => { renderButtons(); if (answer) redraw(); });
element('sink').addEventListener('change', () => {
    Object.assign(view, { sink: element('sink').value, offset: 0 });
    history.replaceState(null, '', `?${new URLSearchParams({ sink: view.sink })}`);
    chosen.clear();
    poller.run();
});
element('resend').addEventListener('click', () => resend(some(), chosen.size));
element('drop').addEventListener('click', () => drop(some(), chosen.size));
element('resend_all').addEventListener('click', () => resend(all(), answer.found));
element('drop_all').addEventListener('click', () => drop(all(), answer.found));
poll(async () => setText(element('version'), `fleetrouted ${(await get('status')).version}`), 60000);
