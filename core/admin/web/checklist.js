// The result of the last `fleetroute doctor`, link by link.
import { element, formatAge, formatCount, formatTime, get, make, outside, partly, poll, setText, startPage, withCode } from './base.js';

const INTERVAL_MS = 10000;
const OLD_MS = 24 * 3600000; // an older result is a warning
const LEVELS = { ok: ['good', 'ok'], skipped: ['quiet', 'skipped'], warning: ['warn', 'warning'], failure: ['bad', 'failure'] };
let drawn = '';

function makeLink(link) {
    const [level, word] = LEVELS[link.level] || ['warn', link.level];
    return make('li', level,
        make('span', `state ${level}`, word),
        make('div', '',
            make('h3', '', outside(link.title, 200), link.subject ? [' ', make('small', '', outside(link.subject, 200))] : ''),
            link.text ? make('p', '', withCode(link.text)) : '',
            link.remedy ? make('p', 'remedy', make('strong', '', 'What to do: '), withCode(link.remedy)) : ''));
}

function renderSummary(links) {
    const count = (level) => links.filter((link) => link.level === level).length;
    const [failures, warnings] = [count('failure'), count('warning')];
    const text = failures || warnings
        ? [failures && formatCount(failures, 'failure'), warnings && formatCount(warnings, 'warning')].filter(Boolean).join(', ')
        : 'Each link is in order';
    setText(element('summary'), `${text}; ${formatCount(count('ok'), 'link')} ok, ${count('skipped')} skipped.`);
}

function renderLinks(links) {
    const problemsOnly = document.querySelector('input[name=which]:checked').value === 'problems';
    const shown = problemsOnly ? links.filter((link) => link.level === 'warning' || link.level === 'failure') : links;
    const text = JSON.stringify(shown);
    if (text === drawn) return; // the reader may be in the middle of it
    drawn = text;
    element('links').replaceChildren(...shown.map(makeLink));
}

function render(doctor) {
    const links = doctor.links || [];
    const none = doctor.run_ms === null;
    const old = !none && Date.now() - doctor.run_ms > OLD_MS;

    setText(element('age'), none ? 'The checks have not been run yet.' : `Checked ${formatAge(Date.now(), doctor.run_ms)}, ${formatTime(doctor.run_ms)}.`);
    element('age').className = old ? 'warn' : 'quiet';
    if (none || old) element('how').replaceChildren(make('p', '', withCode(doctor.how)));
    else element('how').replaceChildren();
    element('summary').hidden = element('which').hidden = none;
    renderSummary(links);
    renderLinks(links);
}

let doctor = null;
startPage('Checklist');
poll(async () => {
    doctor = await partly(element('how'), () => get('api/doctor'));
    if (doctor) render(doctor);
    else setText(element('age'), '');
}, INTERVAL_MS);
element('which').addEventListener('change', () => { if (doctor) renderLinks(doctor.links || []); });
poll(async () => setText(element('version'), `fleetrouted ${(await get('status')).version}`), 60000);
