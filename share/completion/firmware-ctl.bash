# Made by docs/make_completion.py with shtab, https://github.com/tqdm/shtab

_shtab_firmware_ctl_subparsers=(run mock play check profiles explain simulate new edit import wiring setup doctor schema start stop pause resume select trim try status limits history off service web mqtt fleet send completion)

_shtab_firmware_ctl_run_option_strings=(-h --help --mat --profiles --state --socket --port --trace)
_shtab_firmware_ctl_mock_option_strings=(-h --help --mat --profiles --state --socket --port --trace --link --listen --web --speed --no-view --inject)
_shtab_firmware_ctl_play_option_strings=(-h --help --mat --profiles --state --socket --port --trace --link --listen --web --speed --no-view --inject)
_shtab_firmware_ctl_check_option_strings=(-h --help --mat --json -v --verbose)
_shtab_firmware_ctl_profiles_option_strings=(-h --help --mat --profiles --json --socket --port)
_shtab_firmware_ctl_explain_option_strings=(-h --help --mat --profiles --json --socket --port)
_shtab_firmware_ctl_simulate_option_strings=(-h --help --replay --trim --trace --plot --mat --json -v --verbose)
_shtab_firmware_ctl_new_option_strings=(-h --help --mat --profiles --example)
_shtab_firmware_ctl_edit_option_strings=(-h --help --mat)
_shtab_firmware_ctl_import_option_strings=(-h --help --name --target --out --mat)
_shtab_firmware_ctl_wiring_option_strings=(-h --help --calibrate --mat --state --mock)
_shtab_firmware_ctl_setup_option_strings=(-h --help --mat --state --mock)
_shtab_firmware_ctl_doctor_option_strings=(-h --help --mat --json)
_shtab_firmware_ctl_schema_option_strings=(-h --help)
_shtab_firmware_ctl_start_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_stop_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_pause_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_resume_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_select_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_trim_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_try_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_status_option_strings=(-h --help --watch --json --raw --socket --port)
_shtab_firmware_ctl_limits_option_strings=(-h --help --json --socket --port)
_shtab_firmware_ctl_history_option_strings=(-h --help --last --state --json)
_shtab_firmware_ctl_off_option_strings=(-h --help --mat --state --socket)
_shtab_firmware_ctl_service_option_strings=(-h --help)
_shtab_firmware_ctl_web_option_strings=(-h --help --socket --listen --name --mat --profiles --state)
_shtab_firmware_ctl_mqtt_option_strings=(-h --help --broker --config --socket --allow-start --id)
_shtab_firmware_ctl_fleet_option_strings=(-h --help --broker --config --json)
_shtab_firmware_ctl_send_option_strings=(-h --help --socket --port)
_shtab_firmware_ctl_completion_option_strings=(-h --help)
_shtab_firmware_ctl_option_strings=(-h --help --version)

_shtab_firmware_ctl_run___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_run___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_run___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_run___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_run___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_run___trace_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mock_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_mock___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mock___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_mock___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_mock___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mock___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mock___trace_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mock___link_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_play_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_play___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_play___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_play___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_play___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_play___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_play___trace_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_play___link_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_check_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_check___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_profiles_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_profiles___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_profiles___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_profiles___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_profiles___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_explain_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_explain___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_explain___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_explain___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_explain___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_simulate_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_simulate___replay_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_simulate___trace_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_simulate___plot_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_simulate___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_new___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_new___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_edit_pos_0_COMPGEN=_firmware_ctl_names_and_files
_shtab_firmware_ctl_edit___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_import_pos_0_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_import___out_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_import___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_wiring___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_wiring___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_setup___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_setup___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_doctor___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_start_pos_0_COMPGEN=_firmware_ctl_names
_shtab_firmware_ctl_start___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_start___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_stop___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_stop___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_pause___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_pause___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_resume___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_resume___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_select_pos_0_COMPGEN=_firmware_ctl_names
_shtab_firmware_ctl_select___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_select___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_trim___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_trim___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_try___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_try___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_status___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_status___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_limits___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_limits___port_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_history___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_off___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_off___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_off___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_web___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_web___name_COMPGEN=_firmware_ctl_names
_shtab_firmware_ctl_web___mat_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_web___profiles_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_web___state_COMPGEN=_shtab_compgen_dirs
_shtab_firmware_ctl_mqtt___config_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_mqtt___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_fleet___config_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_send___socket_COMPGEN=_shtab_compgen_files
_shtab_firmware_ctl_send___port_COMPGEN=_shtab_compgen_files

_shtab_firmware_ctl_mock___inject_choices=(hang gil error late pin rail rail-stuck disk disk-full)
_shtab_firmware_ctl_play___inject_choices=(hang gil error late pin rail rail-stuck disk disk-full)
_shtab_firmware_ctl_schema_pos_0_choices=(profile mat)
_shtab_firmware_ctl_try_pos_1_choices=(steady pulse wave alternate travel shuffle tap breathe keyframes)
_shtab_firmware_ctl_service_pos_0_choices=(install uninstall)
_shtab_firmware_ctl_web_pos_0_choices=(enable disable pair devices revoke)
_shtab_firmware_ctl_fleet_pos_0_choices=(status stop)
_shtab_firmware_ctl_completion_pos_0_choices=(bash zsh fish)
_shtab_firmware_ctl_pos_0_choices=(run mock play check profiles explain simulate new edit import wiring setup doctor schema start stop pause resume select trim try status limits history off service web mqtt fleet send completion)

_shtab_firmware_ctl_run__h_nargs=0
_shtab_firmware_ctl_run___help_nargs=0
_shtab_firmware_ctl_mock_pos_0_nargs='*'
_shtab_firmware_ctl_mock__h_nargs=0
_shtab_firmware_ctl_mock___help_nargs=0
_shtab_firmware_ctl_mock___web_nargs='?'
_shtab_firmware_ctl_mock___no_view_nargs=0
_shtab_firmware_ctl_play_pos_0_nargs=1
_shtab_firmware_ctl_play__h_nargs=0
_shtab_firmware_ctl_play___help_nargs=0
_shtab_firmware_ctl_play___web_nargs='?'
_shtab_firmware_ctl_play___no_view_nargs=0
_shtab_firmware_ctl_check_pos_0_nargs='*'
_shtab_firmware_ctl_check__h_nargs=0
_shtab_firmware_ctl_check___help_nargs=0
_shtab_firmware_ctl_check___json_nargs=0
_shtab_firmware_ctl_check__v_nargs=0
_shtab_firmware_ctl_check___verbose_nargs=0
_shtab_firmware_ctl_profiles__h_nargs=0
_shtab_firmware_ctl_profiles___help_nargs=0
_shtab_firmware_ctl_profiles___json_nargs=0
_shtab_firmware_ctl_explain__h_nargs=0
_shtab_firmware_ctl_explain___help_nargs=0
_shtab_firmware_ctl_explain___json_nargs=0
_shtab_firmware_ctl_simulate__h_nargs=0
_shtab_firmware_ctl_simulate___help_nargs=0
_shtab_firmware_ctl_simulate___json_nargs=0
_shtab_firmware_ctl_simulate__v_nargs=0
_shtab_firmware_ctl_simulate___verbose_nargs=0
_shtab_firmware_ctl_new__h_nargs=0
_shtab_firmware_ctl_new___help_nargs=0
_shtab_firmware_ctl_new___example_nargs=0
_shtab_firmware_ctl_edit__h_nargs=0
_shtab_firmware_ctl_edit___help_nargs=0
_shtab_firmware_ctl_import__h_nargs=0
_shtab_firmware_ctl_import___help_nargs=0
_shtab_firmware_ctl_wiring__h_nargs=0
_shtab_firmware_ctl_wiring___help_nargs=0
_shtab_firmware_ctl_wiring___mock_nargs=0
_shtab_firmware_ctl_setup__h_nargs=0
_shtab_firmware_ctl_setup___help_nargs=0
_shtab_firmware_ctl_setup___mock_nargs=0
_shtab_firmware_ctl_doctor__h_nargs=0
_shtab_firmware_ctl_doctor___help_nargs=0
_shtab_firmware_ctl_doctor___json_nargs=0
_shtab_firmware_ctl_schema__h_nargs=0
_shtab_firmware_ctl_schema___help_nargs=0
_shtab_firmware_ctl_start__h_nargs=0
_shtab_firmware_ctl_start___help_nargs=0
_shtab_firmware_ctl_stop__h_nargs=0
_shtab_firmware_ctl_stop___help_nargs=0
_shtab_firmware_ctl_pause__h_nargs=0
_shtab_firmware_ctl_pause___help_nargs=0
_shtab_firmware_ctl_resume__h_nargs=0
_shtab_firmware_ctl_resume___help_nargs=0
_shtab_firmware_ctl_select__h_nargs=0
_shtab_firmware_ctl_select___help_nargs=0
_shtab_firmware_ctl_trim__h_nargs=0
_shtab_firmware_ctl_trim___help_nargs=0
_shtab_firmware_ctl_try_pos_3_nargs='*'
_shtab_firmware_ctl_try__h_nargs=0
_shtab_firmware_ctl_try___help_nargs=0
_shtab_firmware_ctl_status__h_nargs=0
_shtab_firmware_ctl_status___help_nargs=0
_shtab_firmware_ctl_status___watch_nargs=0
_shtab_firmware_ctl_status___json_nargs=0
_shtab_firmware_ctl_status___raw_nargs=0
_shtab_firmware_ctl_limits__h_nargs=0
_shtab_firmware_ctl_limits___help_nargs=0
_shtab_firmware_ctl_limits___json_nargs=0
_shtab_firmware_ctl_history__h_nargs=0
_shtab_firmware_ctl_history___help_nargs=0
_shtab_firmware_ctl_history___json_nargs=0
_shtab_firmware_ctl_off__h_nargs=0
_shtab_firmware_ctl_off___help_nargs=0
_shtab_firmware_ctl_service__h_nargs=0
_shtab_firmware_ctl_service___help_nargs=0
_shtab_firmware_ctl_web__h_nargs=0
_shtab_firmware_ctl_web___help_nargs=0
_shtab_firmware_ctl_mqtt__h_nargs=0
_shtab_firmware_ctl_mqtt___help_nargs=0
_shtab_firmware_ctl_mqtt___allow_start_nargs=0
_shtab_firmware_ctl_mqtt___id_nargs=0
_shtab_firmware_ctl_fleet_pos_1_nargs='*'
_shtab_firmware_ctl_fleet__h_nargs=0
_shtab_firmware_ctl_fleet___help_nargs=0
_shtab_firmware_ctl_fleet___json_nargs=0
_shtab_firmware_ctl_send_pos_0_nargs=+
_shtab_firmware_ctl_send__h_nargs=0
_shtab_firmware_ctl_send___help_nargs=0
_shtab_firmware_ctl_completion__h_nargs=0
_shtab_firmware_ctl_completion___help_nargs=0
_shtab_firmware_ctl_pos_0_nargs=A...
_shtab_firmware_ctl__h_nargs=0
_shtab_firmware_ctl___help_nargs=0
_shtab_firmware_ctl___version_nargs=0


# Custom Preamble
_firmware_ctl_names() {
  compgen -W "$(firmware-ctl profiles 2>/dev/null | cut -d ' ' -f 1)" -- "$1"
}

_firmware_ctl_names_and_files() {
  _firmware_ctl_names "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -d -- "$1"
}

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_firmware_ctl() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_firmware_ctl
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_firmware_ctl firmware-ctl
