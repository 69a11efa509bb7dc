# Made by docs/make_completion.py with shtab, https://github.com/tqdm/shtab

# Custom Preamble
function _firmware_ctl_names
  firmware-ctl profiles 2>/dev/null | cut -d ' ' -f 1
end

function _firmware_ctl_names_and_files
  _firmware_ctl_names
  __fish_complete_suffix .yaml
end

# End Custom Preamble

# Parse current commandline:
# - _shtab_firmware_ctl_cmdpath=(sub)command path seen so far
# - _shtab_firmware_ctl_npos=number of positional arguments given after it
# - options are skipped based on _shtab_firmware_ctl_opts_with_value & _shtab_firmware_ctl_commands lists
function _shtab_firmware_ctl_scan
  set -g _shtab_firmware_ctl_cmdpath ''
  set -g _shtab_firmware_ctl_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_firmware_ctl_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_firmware_ctl_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_firmware_ctl_cmdpath"
            set candidate "$_shtab_firmware_ctl_cmdpath $t"
          end
          if contains -- $candidate $_shtab_firmware_ctl_commands
            set -g _shtab_firmware_ctl_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_firmware_ctl_npos (math $_shtab_firmware_ctl_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_firmware_ctl_using
  _shtab_firmware_ctl_scan
  test "$_shtab_firmware_ctl_cmdpath" = "$argv"
end

set -g _shtab_firmware_ctl_commands run mock play check profiles explain simulate new edit import wiring setup doctor schema start stop pause resume select trim try status limits history off service web mqtt fleet send completion
set -g _shtab_firmware_ctl_opts_with_value --broker --calibrate --config --inject --last --link --listen --mat --name --out --plot --port --profiles --replay --socket --speed --state --target --trace --trim --web

complete -c firmware-ctl -e
complete -c firmware-ctl -f

complete -c firmware-ctl -n _shtab_firmware_ctl_using -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n _shtab_firmware_ctl_using -l version -d 'show program'"'"'s version number and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a run -d 'run the daemon in the foreground, on the real pins'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'serial port, in addition to those of the mat file; repeatable'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using run' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'log motor changes, one per line'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a mock -d 'run the same daemon on simulated pins, with a live view'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'serial port, in addition to those of the mat file; repeatable'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'log motor changes, one per line'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l link -xka "(__fish_complete_path (commandline -ct))" -d 'symbolic link to the serial port'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l listen -x -d 'serve the protocol over TCP as well'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l web -x -d 'serve the page for phones as well (default: 127.0.0.1:8043, or a free port)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l speed -x -d 'run sessions X times as fast'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l no-view -d 'print plain log lines instead of the live view'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock' -l inject -xka "hang gil error late pin rail rail-stuck disk disk-full" -d 'for tests only: simulate a fault one second into the first session: hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mock; and test $_shtab_firmware_ctl_npos -ge 0' -ka "(_firmware_ctl_names_and_files)" -d 'files or names of profiles to serve beside the others; selects the first one'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a play -d 'play a profile on simulated pins, with a live view'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'serial port, in addition to those of the mat file; repeatable'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'log motor changes, one per line'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l link -xka "(__fish_complete_path (commandline -ct))" -d 'symbolic link to the serial port'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l listen -x -d 'serve the protocol over TCP as well'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l web -x -d 'serve the page for phones as well (default: 127.0.0.1:8043, or a free port)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l speed -x -d 'run sessions X times as fast'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l no-view -d 'print plain log lines instead of the live view'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play' -l inject -xka "hang gil error late pin rail rail-stuck disk disk-full" -d 'for tests only: simulate a fault one second into the first session: hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using play; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names_and_files)" -d 'a file or a name'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a check -d 'check profiles and list all errors'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using check' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using check' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using check' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using check' -s v -l verbose -d 'print all figures as well, zone by zone, and what they mean'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using check; and test $_shtab_firmware_ctl_npos -ge 0' -ka "(_firmware_ctl_names_and_files)" -d 'names, files or folders (default: this folder if it has profiles, else all profiles that a daemon serves)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a profiles -d 'list the profiles, or describe one'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using profiles; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names_and_files)" -d 'a name or a file: show its description, points, phases and warnings'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a explain -d 'show how levels become motor duty, and what limits them'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using explain; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names_and_files)" -d 'a name, which a daemon explains if one runs, or a file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a simulate -d 'simulate a session instantly'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l replay -xka "(__fish_complete_path (commandline -ct))" -d 'replay a recorded incident instead of a profile'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l trim -x -d 'scale every level, 10 to 100 percent'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'export motor changes: .vcd .csv .jsonl'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l plot -xka "(__fish_complete_path (commandline -ct))" -d 'draw the session: .svg .png'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate' -s v -l verbose -d 'print all figures as well, zone by zone, and what they mean'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using simulate; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names_and_files)" -d 'a name or a file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a new -d 'write a profile to start from'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using new' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using new' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using new' -l profiles -xka "(__fish_complete_directories)" -d 'folder to write to (default: here)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using new' -l example -d 'write a profile that has every form once'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a edit -d 'watch a profile, and after each save show its picture, or its mistakes by line; it opens no editor: keep yours open beside it, and end this by Ctrl-C'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using edit' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using edit' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using edit; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names_and_files)" -d 'a name or a file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a import -d 'write a profile from a funscript, AHAP or .haptic file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import' -l name -x -d 'a-z, 0-9 and '"'"'-'"'"'; the file is NAME.yaml (default: from the name of FILE)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import' -l target -x -d 'a zone, a row or a side, as in a profile (default: all)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import' -l out -xka "(__fish_complete_path (commandline -ct))" -d 'the file to write (default: NAME.yaml here); -: print it'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using import; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'a funscript, AHAP or .haptic file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a wiring -d 'test the motors one by one'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using wiring' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using wiring' -l calibrate -x -d 'measure the start and hold duty of each motor of the zone and save them in the mat file'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using wiring' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using wiring' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using wiring' -l mock -d 'use simulated motors and a mat file of their own, to try it'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a setup -d 'guided first setup (resumable)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using setup' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using setup' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using setup' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using setup' -l mock -d 'use simulated motors and a mat file of their own, to try it'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a doctor -d 'check this machine and suggest fixes'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using doctor' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using doctor' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using doctor' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a schema -d 'print the JSON Schema for editors'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using schema' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using schema; and test $_shtab_firmware_ctl_npos -eq 0' -ka "profile mat" -d kind
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a start -d 'start the selected or the named profile'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using start' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using start' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using start' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using start; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names)" -d 'a profile (default: the selected)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a stop -d 'turn all motors off, on the service and on every mock of yours'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using stop' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using stop' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using stop' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a pause -d 'turn all motors off; the session waits'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using pause' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using pause' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using pause' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a resume -d 'continue after a pause'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using resume' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using resume' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using resume' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a select -d 'choose the profile for the next start'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using select' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using select' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using select' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using select; and test $_shtab_firmware_ctl_npos -eq 0' -ka "(_firmware_ctl_names)" -d 'a profile'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a trim -d 'scale every level, 10 to 100 percent'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using trim' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using trim' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using trim' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a try -d 'play one line for 10 s, before you write it into a profile'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using try' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using try' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using try' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using try; and test $_shtab_firmware_ctl_npos -eq 1' -ka "steady pulse wave alternate travel shuffle tap breathe keyframes" -d 'as in a profile, for example `wave`'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a status -d 'show what the daemon does now'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -l watch -d 'print a line for each change, until the daemon ends'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -l raw -d 'print the line of the serial protocol'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using status' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a limits -d 'show the running time that is left of today'"'"'s'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using limits' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using limits' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using limits' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using limits' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a history -d 'show the last sessions and how they ended'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using history' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using history' -l last -x -d 'the last N sessions (default: 20)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using history' -l state -xka "(__fish_complete_directories)" -d 'state folder (default: /var/lib/firmware-ctl)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using history' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a off -d 'force all motor pins low, even if the daemon hangs'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using off' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using off' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using off' -l state -xka "(__fish_complete_directories)" -d 'folder for runtime state (one daemon per folder)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using off' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a service -d 'install or remove the systemd service'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using service' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using service; and test $_shtab_firmware_ctl_npos -eq 0' -ka "install uninstall" -d action
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a web -d 'serve the page for phones, and pair phones with it'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l listen -x -d 'where to serve the page (default: port 8043 of every address)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l name -xka "(_firmware_ctl_names)" -d 'a host name by which browsers may ask for the page, beside addresses, localhost and names in .local; repeatable'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l mat -xka "(__fish_complete_path (commandline -ct))" -d 'mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l profiles -xka "(__fish_complete_directories)" -d 'read profiles from this folder only'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web' -l state -xka "(__fish_complete_directories)" -d 'folder of the paired devices'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using web; and test $_shtab_firmware_ctl_npos -eq 0' -ka "enable disable pair devices revoke" -d 'enable, disable, pair, devices, revoke'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a mqtt -d 'connect a mat to an MQTT broker'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -l broker -x -d 'the broker (default: localhost)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'broker, user, password and TLS, as in mqtt.yaml'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -l allow-start -d 'messages may start and strengthen'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using mqtt' -l id -d 'print the id of this mat in topics, and end'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a fleet -d 'show all mats on an MQTT broker, or stop them'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using fleet' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using fleet' -l broker -x -d 'the broker (default: localhost)'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using fleet' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'broker, user, password and TLS, as in mqtt.yaml'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using fleet' -l json -d 'print JSON'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using fleet; and test $_shtab_firmware_ctl_npos -eq 0' -ka "status stop" -d action
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a send -d 'send one line of the serial protocol'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using send' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using send' -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'control socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using send' -l port -xka "(__fish_complete_path (commandline -ct))" -d 'use a serial port (any pyserial URL) instead of the socket'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using; and test $_shtab_firmware_ctl_npos -eq 0' -a completion -d 'print the shell'"'"'s completion of this command'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using completion' -s h -l help -d 'show this help message and exit'
complete -c firmware-ctl -n '_shtab_firmware_ctl_using completion; and test $_shtab_firmware_ctl_npos -eq 0' -ka "bash zsh fish" -d shell
