# SPDX-License-Identifier: ISC
# Completion of posternctl for bash: verbs, levels, ids of the sessions under way, what is traced, listed, limited.

_posternctl_ids() {
    posternctl "$@" 2>/dev/null | sed -n '2,$s/ .*//p'
}

_posternctl() {
    local word=${COMP_WORDS[COMP_CWORD]} verb= argument=0 i words=
    local -a to=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s)
            i=$((i + 1))
            to=(-s "${COMP_WORDS[i]}")
            ;;
        -d) i=$((i + 1)) ;;
        -*) ;;
        *)
            if [ -z "$verb" ]; then
                verb=${COMP_WORDS[i]}
            else
                argument=$((argument + 1))
            fi
            ;;
        esac
    done
    if [ "${COMP_WORDS[COMP_CWORD - 1]}" = -s ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    case $verb:$argument in
    :*) words='-s -h -V --json status sessions workers servers reload upgrade stop check kill log trace block allow forget bypass limits rates lists greylist reputation store explain clients stats history metrics version top help' ;;
    kill:0) words=$(_posternctl_ids "${to[@]}" sessions) ;;
    log:0) words='error warning notice info debug configured' ;;
    block:1 | allow:1) words='for reason' ;;
    block:2 | allow:2) words='30m 2h 1d 30d' ;;
    block:3 | allow:3) words=reason ;;
    forget:0) words="$(_posternctl_ids "${to[@]}" block) $(_posternctl_ids "${to[@]}" allow)" ;;
    bypass:0) words='on off' ;;
    rates:0) words='list forget' ;;
    rates:1) words=$(_posternctl_ids "${to[@]}" rates) ;;
    clients:0) words=--worst ;;
    explain:0) words=$(_posternctl_ids "${to[@]}" clients) ;;
    explain:*)
        words='helo= from= to= login= name= listener= mode=enforce'
        compopt -o nospace
        ;;
    greylist:0) words='list add delete stats' ;;
    reputation:0) words="forget $(_posternctl_ids "${to[@]}" clients)" ;;
    reputation:1) words=$(_posternctl_ids "${to[@]}" clients) ;;
    store:0) words='check export import' ;;
    history:0) words='10 60 240 1440' ;;
    top:0) words=-d ;;
    trace:0) words=off ;;
    trace:1) words="30s 10m 1h 1d $(_posternctl_ids "${to[@]}" trace)" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _posternctl posternctl
