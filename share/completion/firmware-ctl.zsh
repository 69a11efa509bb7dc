#compdef firmware-ctl

# Made by docs/make_completion.py with shtab, https://github.com/tqdm/shtab


_shtab_firmware_ctl_commands() {
  local _commands=(
    check:'check profiles and list all errors'
    completion:'print the shell'"'"'s completion of this command'
    doctor:'check this machine and suggest fixes'
    edit:'watch a profile, and after each save show its picture, or its mistakes by line; it opens no editor: keep yours open beside it, and end this by Ctrl-C'
    explain:'show how levels become motor duty, and what limits them'
    fleet:'show all mats on an MQTT broker, or stop them'
    history:'show the last sessions and how they ended'
    import:'write a profile from a funscript, AHAP or .haptic file'
    limits:'show the running time that is left of today'"'"'s'
    mock:'run the same daemon on simulated pins, with a live view'
    mqtt:'connect a mat to an MQTT broker'
    new:'write a profile to start from'
    off:'force all motor pins low, even if the daemon hangs'
    pause:'turn all motors off; the session waits'
    play:'play a profile on simulated pins, with a live view'
    profiles:'list the profiles, or describe one'
    resume:'continue after a pause'
    run:'run the daemon in the foreground, on the real pins'
    schema:'print the JSON Schema for editors'
    select:'choose the profile for the next start'
    send:'send one line of the serial protocol'
    service:'install or remove the systemd service'
    setup:'guided first setup (resumable)'
    simulate:'simulate a session instantly'
    start:'start the selected or the named profile'
    status:'show what the daemon does now'
    stop:'turn all motors off, on the service and on every mock of yours'
    trim:'scale every level, 10 to 100 percent'
    try:'play one line for 10 s, before you write it into a profile'
    web:'serve the page for phones, and pair phones with it'
    wiring:'test the motors one by one'
  )
  _describe 'firmware-ctl commands' _commands
}

_shtab_firmware_ctl_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(- : *)--version[show program\'s version number and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_defaults_added=0

_shtab_firmware_ctl_check_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--json[print JSON]"
  {-v,--verbose}"[print all figures as well, zone by zone, and what they mean]"
  "(*)::names, files or folders (default\: this folder if it has profiles, else all profiles that a daemon serves):_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_check_defaults_added=0

_shtab_firmware_ctl_completion_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":shell:(bash zsh fish)"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_completion_defaults_added=0

_shtab_firmware_ctl_doctor_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--json[print JSON]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_doctor_defaults_added=0

_shtab_firmware_ctl_edit_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  ":a name or a file:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_edit_defaults_added=0

_shtab_firmware_ctl_explain_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--json[print JSON]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":a name, which a daemon explains if one runs, or a file:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_explain_defaults_added=0

_shtab_firmware_ctl_fleet_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--broker[the broker (default\: localhost)]:HOST[:PORT]:"
  "--config[broker, user, password and TLS, as in mqtt.yaml]:FILE:_files"
  "--json[print JSON]"
  ":action:(status stop)"
  "(*)::mats (default\: all):"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_fleet_defaults_added=0

_shtab_firmware_ctl_history_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--last[the last N sessions (default\: 20)]:N:"
  "--state[state folder (default\: \/var\/lib\/firmware-ctl)]:DIR:_files -/"
  "--json[print JSON]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_history_defaults_added=0

_shtab_firmware_ctl_import_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--name[a-z, 0-9 and \'-\'\; the file is NAME.yaml (default\: from the name of FILE)]:NAME:"
  "--target[a zone, a row or a side, as in a profile (default\: all)]:TARGET:"
  "--out[the file to write (default\: NAME.yaml here)\; -\: print it]:FILE:_files"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  ":a funscript, AHAP or .haptic file:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_import_defaults_added=0

_shtab_firmware_ctl_limits_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print JSON]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_limits_defaults_added=0

_shtab_firmware_ctl_mock_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--socket[control socket]:PATH:_files"
  "*--port[serial port, in addition to those of the mat file\; repeatable]:DEV:_files"
  "--trace[log motor changes, one per line]:FILE.jsonl:_files"
  "--link[symbolic link to the serial port]:PATH:_files"
  "--listen[serve the protocol over TCP as well]:HOST:PORT:"
  "--web[serve the page for phones as well (default\: 127.0.0.1\:8043, or a free port)]:HOST:PORT:"
  "--speed[run sessions X times as fast]:X:"
  "--no-view[print plain log lines instead of the live view]"
  "--inject[for tests only\: simulate a fault one second into the first session\: hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full]:FAULT:(hang gil error late pin rail rail-stuck disk disk-full)"
  "(*)::files or names of profiles to serve beside the others\; selects the first one:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_mock_defaults_added=0

_shtab_firmware_ctl_mqtt_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--broker[the broker (default\: localhost)]:HOST[:PORT]:"
  "--config[broker, user, password and TLS, as in mqtt.yaml]:FILE:_files"
  "--socket[control socket]:PATH:_files"
  "--allow-start[messages may start and strengthen]"
  "--id[print the id of this mat in topics, and end]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_mqtt_defaults_added=0

_shtab_firmware_ctl_new_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[folder to write to (default\: here)]:DIR:_files -/"
  "--example[write a profile that has every form once]"
  ":a-z, 0-9 and \'-\'\; the file is NAME.yaml:"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_new_defaults_added=0

_shtab_firmware_ctl_off_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--socket[control socket]:PATH:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_off_defaults_added=0

_shtab_firmware_ctl_pause_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_pause_defaults_added=0

_shtab_firmware_ctl_play_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--socket[control socket]:PATH:_files"
  "*--port[serial port, in addition to those of the mat file\; repeatable]:DEV:_files"
  "--trace[log motor changes, one per line]:FILE.jsonl:_files"
  "--link[symbolic link to the serial port]:PATH:_files"
  "--listen[serve the protocol over TCP as well]:HOST:PORT:"
  "--web[serve the page for phones as well (default\: 127.0.0.1\:8043, or a free port)]:HOST:PORT:"
  "--speed[run sessions X times as fast]:X:"
  "--no-view[print plain log lines instead of the live view]"
  "--inject[for tests only\: simulate a fault one second into the first session\: hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full]:FAULT:(hang gil error late pin rail rail-stuck disk disk-full)"
  ":a file or a name:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_play_defaults_added=0

_shtab_firmware_ctl_profiles_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--json[print JSON]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":a name or a file\: show its description, points, phases and warnings:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_profiles_defaults_added=0

_shtab_firmware_ctl_resume_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_resume_defaults_added=0

_shtab_firmware_ctl_run_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--socket[control socket]:PATH:_files"
  "*--port[serial port, in addition to those of the mat file\; repeatable]:DEV:_files"
  "--trace[log motor changes, one per line]:FILE.jsonl:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_run_defaults_added=0

_shtab_firmware_ctl_schema_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":kind:(profile mat)"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_schema_defaults_added=0

_shtab_firmware_ctl_select_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":a profile:_firmware_ctl_names"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_select_defaults_added=0

_shtab_firmware_ctl_send_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  "(*):a line, for example select neck:"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_send_defaults_added=0

_shtab_firmware_ctl_service_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":action:(install uninstall)"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_service_defaults_added=0

_shtab_firmware_ctl_setup_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--mock[use simulated motors and a mat file of their own, to try it]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_setup_defaults_added=0

_shtab_firmware_ctl_simulate_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--replay[replay a recorded incident instead of a profile]:FILE:_files"
  "--trim[scale every level, 10 to 100 percent]:PCT:"
  "--trace[export motor changes\: .vcd .csv .jsonl]:FILE:_files"
  "--plot[draw the session\: .svg .png]:FILE:_files"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--json[print JSON]"
  {-v,--verbose}"[print all figures as well, zone by zone, and what they mean]"
  ":a name or a file:_firmware_ctl_names_and_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_simulate_defaults_added=0

_shtab_firmware_ctl_start_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":a profile (default\: the selected):_firmware_ctl_names"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_start_defaults_added=0

_shtab_firmware_ctl_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--watch[print a line for each change, until the daemon ends]"
  "--json[print JSON]"
  "--raw[print the line of the serial protocol]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_status_defaults_added=0

_shtab_firmware_ctl_stop_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_stop_defaults_added=0

_shtab_firmware_ctl_trim_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":10 to 100\; the daemon checks it:"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_trim_defaults_added=0

_shtab_firmware_ctl_try_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--port[use a serial port (any pyserial URL) instead of the socket]:DEV:_files"
  ":a zone, a side or a row of it (\`hips.left\`), or \`all\`:"
  ":as in a profile, for example \`wave\`:(steady pulse wave alternate travel shuffle tap breathe keyframes)"
  ":a level, for example 40\%:"
  "(*)::for example period\=4s:"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_try_defaults_added=0

_shtab_firmware_ctl_web_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--socket[control socket]:PATH:_files"
  "--listen[where to serve the page (default\: port 8043 of every address)]:HOST:PORT:"
  "*--name[a host name by which browsers may ask for the page, beside addresses, localhost and names in .local\; repeatable]:NAME:_firmware_ctl_names"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--profiles[read profiles from this folder only]:DIR:_files -/"
  "--state[folder of the paired devices]:DIR:_files -/"
  ":enable, disable, pair, devices, revoke:(enable disable pair devices revoke)"
  ":for revoke\: a device of \`devices\`, or \`all\`:"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_web_defaults_added=0

_shtab_firmware_ctl_wiring_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--calibrate[measure the start and hold duty of each motor of the zone and save them in the mat file]:ZONE:"
  "--mat[mat file (default\: \/etc\/firmware-ctl\/mat.yaml, or the built-in one)]:FILE:_files"
  "--state[folder for runtime state (one daemon per folder)]:DIR:_files -/"
  "--mock[use simulated motors and a mat file of their own, to try it]"
)

# guard to ensure default positional specs are added only once per session
_shtab_firmware_ctl_wiring_defaults_added=0


_shtab_firmware_ctl() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->firmware-ctl'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_firmware_ctl_defaults_added )); then
    if (( ${_shtab_firmware_ctl_options[(I)${(q)one_or_more}*]} +          ${_shtab_firmware_ctl_options[(I)${(q)remainder}*]} +          ${_shtab_firmware_ctl_options[(I)${(q)default}]} == 0 )); then
      _shtab_firmware_ctl_options+=(': :_shtab_firmware_ctl_commands' '*::: :->firmware-ctl')
    fi
    _shtab_firmware_ctl_defaults_added=1
  fi
  _arguments -C -s $_shtab_firmware_ctl_options

  case $state in
    firmware-ctl)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_firmware_ctl-$line[1]:"
      case $line[1] in
        check) _arguments -C -s $_shtab_firmware_ctl_check_options ;;
        completion) _arguments -C -s $_shtab_firmware_ctl_completion_options ;;
        doctor) _arguments -C -s $_shtab_firmware_ctl_doctor_options ;;
        edit) _arguments -C -s $_shtab_firmware_ctl_edit_options ;;
        explain) _arguments -C -s $_shtab_firmware_ctl_explain_options ;;
        fleet) _arguments -C -s $_shtab_firmware_ctl_fleet_options ;;
        history) _arguments -C -s $_shtab_firmware_ctl_history_options ;;
        import) _arguments -C -s $_shtab_firmware_ctl_import_options ;;
        limits) _arguments -C -s $_shtab_firmware_ctl_limits_options ;;
        mock) _arguments -C -s $_shtab_firmware_ctl_mock_options ;;
        mqtt) _arguments -C -s $_shtab_firmware_ctl_mqtt_options ;;
        new) _arguments -C -s $_shtab_firmware_ctl_new_options ;;
        off) _arguments -C -s $_shtab_firmware_ctl_off_options ;;
        pause) _arguments -C -s $_shtab_firmware_ctl_pause_options ;;
        play) _arguments -C -s $_shtab_firmware_ctl_play_options ;;
        profiles) _arguments -C -s $_shtab_firmware_ctl_profiles_options ;;
        resume) _arguments -C -s $_shtab_firmware_ctl_resume_options ;;
        run) _arguments -C -s $_shtab_firmware_ctl_run_options ;;
        schema) _arguments -C -s $_shtab_firmware_ctl_schema_options ;;
        select) _arguments -C -s $_shtab_firmware_ctl_select_options ;;
        send) _arguments -C -s $_shtab_firmware_ctl_send_options ;;
        service) _arguments -C -s $_shtab_firmware_ctl_service_options ;;
        setup) _arguments -C -s $_shtab_firmware_ctl_setup_options ;;
        simulate) _arguments -C -s $_shtab_firmware_ctl_simulate_options ;;
        start) _arguments -C -s $_shtab_firmware_ctl_start_options ;;
        status) _arguments -C -s $_shtab_firmware_ctl_status_options ;;
        stop) _arguments -C -s $_shtab_firmware_ctl_stop_options ;;
        trim) _arguments -C -s $_shtab_firmware_ctl_trim_options ;;
        try) _arguments -C -s $_shtab_firmware_ctl_try_options ;;
        web) _arguments -C -s $_shtab_firmware_ctl_web_options ;;
        wiring) _arguments -C -s $_shtab_firmware_ctl_wiring_options ;;
      esac
  esac
}

# Custom Preamble
_firmware_ctl_names() {
  local -a names
  names=(${(f)"$(firmware-ctl profiles 2>/dev/null | cut -d ' ' -f 1)"})
  compadd -a names
}

_firmware_ctl_names_and_files() {
  _firmware_ctl_names
  _files -g '*.yaml'
}

# End Custom Preamble


typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_firmware_ctl -N firmware-ctl
else
  # autoload from fpath, call function directly
  _shtab_firmware_ctl "$@"
fi
